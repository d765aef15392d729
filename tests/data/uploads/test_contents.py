"""Tests of `data/uploads/contents.py`; `test_keep.py` has what is made of them."""

import zipfile
from collections import Counter
from dataclasses import replace

import pytest

from data.catalogue import DatasetError
from data.uploads.contents import chosen_size, of_arrays, of_images
from data.uploads.layout import layout
from data.uploads.limits import Limits
from data.uploads.pictures import Kind
from tests.data.uploads.archives import arrays, classes, labelled, packed


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


def test_arrays_are_scaled_one_by_one():
    with zipfile.ZipFile(arrays(**labelled(9, shape=(6, 5, 3)))) as archive:
        content = of_arrays(archive, "x.npz", 16, Limits())
        assert [len(pixels) for pixels in content.images(False)] == [1] * 9
    assert content.shape == (16, 16, 3)


def test_images_of_few_bytes_and_very_many_pixels_are_refused():
    file = packed(classes())
    with zipfile.ZipFile(file) as archive:
        found = layout(archive.infolist())
        within = replace(Limits(), decoded=8 * 120 - 1)
        with pytest.raises(DatasetError, match=r"come, got more at 'dog/3\.png'"):
            of_images(archive, found, None, within, lambda *_: None)
