"""Tests of `data/uploads/rules.py`; `test_keep.py` has the attacks."""

from data.uploads.archive import name_of, opened
from data.uploads.limits import Limits
from data.uploads.rules import checked_members
from tests.data.uploads.archives import classes, packed


def test_members_that_count_are_given_in_their_order():
    members = classes() | {
        ".git/config": b"x",
        "cat/.DS_Store": b"x",
        "desktop.ini": b"",
    }
    with opened(packed(members), "x.zip", Limits()) as archive:
        found = [name_of(member) for member in checked_members(archive, Limits())]
    assert found == list(classes())


def test_a_folder_may_be_listed_beside_its_files():
    members = {"cat/": b""} | classes()
    with opened(packed(members), "x.zip", Limits()) as archive:
        assert len(checked_members(archive, Limits())) == 9
