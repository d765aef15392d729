"""Tests of `data/classes.py`."""

import numpy as np
import pytest

from data.classes import check_enough, checked_names, coded_labels


def test_names_are_trimmed_and_composed():
    assert checked_names([" a  b ", "u\u0308"]) == ("a b", "ü")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a", "a "], "got 'a' and 'a'"),
        (["Dog", "dog"], "got 'Dog' and 'dog'"),
        (["a", " "], "1 to 100 characters"),
        (["a", "b\x00"], "can be printed"),
    ],
)
def test_other_names_are_refused(names, told):
    with pytest.raises(ValueError, match=told):
        checked_names(names)


def test_numbers_are_their_own_names():
    names, coded = coded_labels({"train": np.array([9, 3, 9]), "test": np.array([3])})
    assert names == ("3", "9")
    assert coded["train"].tolist() == [1, 0, 1]
    assert coded["test"].tolist() == [0]


def test_texts_are_numbered_by_the_names_that_are_given():
    names, coded = coded_labels({"train": np.array(["b", "c", "a"])}, ["c", "a", "b"])
    assert names == ("c", "a", "b")
    assert coded["train"].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("raw", "names", "told"),
    [
        ([0, 5], ["a", "b"], "among the 2 classes 0, 1, got 5"),
        ([0, -1], ["a", "b"], "got -1"),
        (["x"], ["a", "b"], "classes a, b, got x"),
        (range(10_001), [], "at most 10000 classes, got 10001"),
    ],
)
def test_labels_of_no_class_are_refused(raw, names, told):
    with pytest.raises(ValueError, match=told):
        coded_labels({"train": np.array(raw)}, names)


def test_numbers_and_texts_do_not_mix():
    raw = {"train": np.array([0, 1]), "test": np.array(["0"])}
    with pytest.raises(ValueError, match="numbers in all parts, or text in all"):
        coded_labels(raw)


def test_a_class_with_too_few_is_named():
    check_enough(np.array([3, 2]), "ab", 2, "images")
    with pytest.raises(
        ValueError, match="class 'b' must have at least 3 images, got 2"
    ):
        check_enough(np.array([3, 2]), "ab", 3, "images")
