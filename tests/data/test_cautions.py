"""Tests of `data/cautions.py`."""

from data.cautions import cautions
from data.overview import Overview


def test_even_classes_of_one_size_need_no_caution():
    found = Overview(class_names=("a", "b"), counts=(60, 40), num_opened=5)
    assert cautions(found) == []


def test_what_spoils_a_training_is_told():
    found = Overview(
        class_names=("a", "b"), counts=(5, 60), num_sizes=4, num_grey=1, num_opened=9
    )
    uneven, small, sizes, grey = cautions(found)
    assert "60 images of b and 5 of a, 12.0 times fewer" in uneven
    assert "Fewer than 20 images in 1 of 2 classes" in small
    assert "Images of 4 sizes: a training needs one" in sizes
    assert "1 of 9 images are grey" in grey


def test_what_stops_a_training_is_told_first():
    found = Overview(
        class_names=tuple("abcde"), counts=(0, 0, 40, 0, 0), misplaced="x.txt is one."
    )
    refused, empty, _ = cautions(found)
    assert refused == "A training refuses this folder as it is: x.txt is one."
    assert "No images of a, b, d and 1 more: a training refuses" in empty


def test_counts_that_are_not_whole_say_nothing_of_balance():
    found = Overview(class_names=("a", "b"), counts=(60, 3), is_partial=True)
    assert cautions(found) == []
