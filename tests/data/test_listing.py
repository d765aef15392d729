"""Tests of `data/listing.py`."""

import pytest

from data.catalogue import DatasetError
from data.listing import listed


def fill(folder, images, others=0):
    folder.mkdir(parents=True)
    for k in range(images):
        (folder / f"{k}.png").touch()
    for k in range(others):
        (folder / f"{k}.txt").touch()


def counts(found):
    return {name: len(paths) for name, paths in found.images.items()}


def test_files_that_are_no_images_take_no_place(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / name, 10, others=30)
    found = listed(tmp_path, 20)
    assert counts(found) == {"cat": 10, "dog": 10}
    assert not found.is_partial
    assert "cat" in found.misplaced
    assert "must end in one of" in found.misplaced


@pytest.mark.parametrize(
    ("most", "expected", "is_partial"),
    [(9, {"a": 5, "b": 4}, False), (8, {"a": 5, "b": 3}, True),
     (5, {"a": 5}, True), (4, {"a": 4}, True)],
)  # fmt: skip
def test_a_list_is_partial_only_if_there_is_more(tmp_path, most, expected, is_partial):
    fill(tmp_path / "a", 5)
    fill(tmp_path / "b", 4)
    found = listed(tmp_path, most)
    assert counts(found) == expected
    assert found.is_partial == is_partial
    assert found.num_folders == 2


def test_very_many_other_files_end_the_list(tmp_path):
    fill(tmp_path / "a", 0, others=31)
    fill(tmp_path / "b", 1)
    assert not listed(tmp_path, 4).is_partial
    found = listed(tmp_path, 3)
    assert found.is_partial
    assert counts(found) == {}
    assert found.num_folders == 2


def test_what_a_training_refuses_is_told(tmp_path):
    fill(tmp_path / "a", 1)
    fill(tmp_path / "b" / "inner", 1)
    assert "inner is a folder inside a class" in listed(tmp_path, 9).misplaced
    (tmp_path / "notes").touch()
    assert "notes lies beside the class folders" in listed(tmp_path, 9).misplaced


def test_what_systems_leave_behind_is_passed_over(tmp_path):
    fill(tmp_path / "a", 1)
    (tmp_path / ".hidden").touch()
    (tmp_path / "a" / "Thumbs.db").touch()
    fill(tmp_path / "__MACOSX", 1)
    found = listed(tmp_path, 9)
    assert (counts(found), found.misplaced, found.num_folders) == ({"a": 1}, "", 1)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    with pytest.raises(DatasetError, match="gone cannot be listed"):
        listed(tmp_path / "gone", 9)
