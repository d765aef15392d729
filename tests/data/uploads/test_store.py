"""Tests of `data/uploads/store.py`."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from data.catalogue import DatasetError
from data.uploads import Limits, delete, find, keep, listing, uploads_folder
from data.uploads.store import adding, place, safe_name
from tests.data.uploads.archives import classes, packed


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pets", "pets"), ("../../etc/passwd", "etc passwd"), ("", "images"),
        ("<script>alert(1)</script>", "script alert 1 script"), (".hidden", "hidden"),
        ("Übung 犬", "Übung 犬"), ("a" * 99, "a" * 64), ("///", "images"),
        ("x ", "x"), ("_a", "a"),
    ],
)  # fmt: skip
def test_names_are_made_safe(text, name):
    assert safe_name(text) == name


def test_uploads_are_listed_found_and_deleted():
    assert listing() == []
    upload = keep(packed(classes()), "pets.zip")
    assert listing() == [upload]
    assert find("pets") == upload
    delete("pets")
    assert listing() == []
    with pytest.raises(DatasetError, match="There is no uploaded dataset 'pets'"):
        delete("pets")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "", ".lock", "a/b", "x\n"]
)
def test_names_that_lead_elsewhere_find_nothing(name):
    uploads_folder().mkdir(parents=True)
    (uploads_folder().parent / "secret.npz").write_bytes(b"keep me")
    assert find(name) is None
    with pytest.raises(DatasetError, match="There is no uploaded dataset"):
        delete(name)
    assert (uploads_folder().parent / "secret.npz").exists()


def test_a_damaged_file_is_listed_so_that_it_can_be_deleted():
    uploads_folder().mkdir(parents=True)
    (uploads_folder() / "broken.npz").write_bytes(b"x")
    (upload,) = listing()
    assert (upload.name, upload.notes) == ("broken", [])


def test_what_a_killed_server_left_is_swept_later():
    uploads_folder().mkdir(parents=True)
    old, new = (uploads_folder() / f".{name}.part" for name in ("old", "new"))
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    with adding("x", Limits()):
        assert not old.exists()
        assert new.exists()


def test_two_at_once_do_not_take_one_name():
    def add(number):
        with adding("x", Limits()) as unfinished:
            unfinished.write_text(str(number))
            return place(unfinished, "x").name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(add, range(16)))
    assert len(set(names)) == 16


def test_a_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("VOGN_CACHE", str(tmp_path / "file"))
    with (
        pytest.raises(DatasetError, match="cannot be made"),
        adding("x", Limits()),
    ):
        pass
