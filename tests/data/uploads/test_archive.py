"""Tests of `data/uploads/archive.py`; `test_keep.py` has the attacks."""

import zipfile
from dataclasses import replace

import pytest

from data.catalogue import DatasetError
from data.uploads.archive import (
    Budget,
    name_of,
    opened,
    parts,
    read,
)
from data.uploads.limits import Limits
from tests.data.uploads.archives import classes, packed, with_two_ends


def test_names_in_utf_8_that_are_not_called_so_are_read():
    member = zipfile.ZipInfo("犬/1.png".encode().decode("cp437"))
    assert name_of(member) == "犬/1.png"
    assert parts(member) == ("犬", "1.png")
    member = zipfile.ZipInfo("caf\u00e9/1.png")  # of code page 437, and no UTF-8
    assert name_of(member) == "caf\u00e9/1.png"


def test_what_is_unpacked_is_counted_whatever_the_list_says():
    budget = Budget(replace(Limits(), unpacked=100))
    budget.spend(60, "a")
    with pytest.raises(DatasetError, match="got more at 'b'"):
        budget.spend(41, "b")


def test_a_file_beyond_the_size_of_an_image_is_not_read_on():
    within = replace(Limits(), image=50)
    with opened(packed(classes()), "x.zip", within) as archive:
        member = archive.infolist()[0]
        with pytest.raises(DatasetError, match=r"'cat/0.png' must have at most"):
            read(archive, member, within, Budget(within))


@pytest.mark.parametrize("wide", [False, True])
def test_a_long_list_of_files_is_refused_wherever_its_length_is_told(wide):
    with opened(with_two_ends(wide), "x.zip", Limits()) as archive:
        assert len(archive.infolist()) == 8
    within = replace(Limits(), directory=100)
    told = r"x\.zip must have a list of files of at most 0\.0 MB"
    with (
        pytest.raises(DatasetError, match=told),
        opened(with_two_ends(wide), "x.zip", within),
    ):
        pass


def test_pixels_are_counted():
    budget = Budget(replace(Limits(), decoded=100))
    budget.decode(60, "a")
    with pytest.raises(DatasetError, match="pixels as they come, got more at 'b'"):
        budget.decode(41, "b")
    told = "at most 100 thousand million pixels"
    with pytest.raises(DatasetError, match=told):
        Budget(Limits()).decode(10**11 + 1, "c")
