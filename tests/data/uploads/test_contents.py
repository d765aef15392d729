"""Tests of `data/uploads/contents.py`; `test_keep.py` has what is made of them."""

from collections import Counter

import pytest

from data.uploads.contents import chosen_size
from data.uploads.pictures import Kind


def kinds(*sizes):
    return Counter(Kind(width, height, 3) for width, height in sizes)


def test_images_of_one_size_stay_as_they_are():
    assert chosen_size(kinds((301, 17), (301, 17)), None) == ((301, 17), [])
    assert chosen_size(kinds((32, 32)), 32) == ((32, 32), [])


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(20, 20), (10, 9)], 28),
        ([(70, 90), (80, 66), (2000, 10)], 64),
        ([(4000, 3000), (3000, 4000)], 224),
    ],
)
def test_others_are_brought_to_a_square_that_most_of_them_fill(sizes, side):
    size, notes = chosen_size(kinds(*sizes), None)
    assert size == (side, side)
    assert f"{len(sizes)} sizes" in notes[0]


def test_a_size_that_is_asked_for_is_told():
    size, notes = chosen_size(kinds((50, 40)), 28)
    assert size == (28, 28)
    assert (
        "came in one size; each was cut to a square and scaled to 28 x 28" in notes[0]
    )
