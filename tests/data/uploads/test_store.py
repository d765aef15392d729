"""Tests of `data/uploads/store.py`."""

import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from data.catalogue import DatasetError
from data.uploads import Limits, delete, find, keep, listing, uploads_folder
from data.uploads.store import adding, check_space, place, reserve
from tests.data.uploads.archives import (
    EMPTY,
    ENDLESS,
    NESTED,
    UNCLOSED,
    classes,
    packed,
    with_header,
)


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
    left = uploads_folder() / ".left.part"
    left.touch()
    with adding("x", Limits()) as unfinished:
        assert not left.exists()
        with adding("y", Limits()):
            assert unfinished.exists()


def test_a_list_sweeps_what_nobody_writes_any_more():
    with adding("x", Limits()) as unfinished:
        left = uploads_folder() / ".left.part"
        left.touch()
        assert listing() == []
        assert unfinished.exists()
        assert not left.exists()


def test_what_is_not_finished_takes_room():
    uploads_folder().mkdir(parents=True)
    held = uploads_folder() / ".other.part"
    held.write_bytes(b"x" * 100)
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        check_space(uploads_folder(), 50, Limits(kept=150))
        with pytest.raises(DatasetError, match="All uploads together must have"):
            check_space(uploads_folder(), 51, Limits(kept=150))


def test_names_have_few_enough_bytes_for_the_disk():
    long = "\N{CJK UNIFIED IDEOGRAPH-20000}" * 64
    assert find(long) is None
    upload, again = (keep(packed(classes()), "x.zip", name=long) for _ in range(2))
    assert find(upload.name) == upload
    assert find(again.name) == again
    assert again.name.endswith(" 2")


@pytest.mark.parametrize("header", [UNCLOSED, NESTED, ENDLESS, EMPTY])
def test_a_file_with_a_broken_header_breaks_no_list(header):
    uploads_folder().mkdir(parents=True)
    path = uploads_folder() / "broken.npz"
    path.write_bytes(with_header(header, "about").getvalue())
    assert [upload.name for upload in listing()] == ["broken"]
    assert find("broken").notes == []


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


def test_room_that_is_taken_is_not_given_twice():
    within = Limits(kept=100)
    with adding("a", within) as first, adding("b", within) as second:
        reserve(first, 60, within)
        with pytest.raises(DatasetError, match="All uploads together must have"):
            reserve(second, 60, within)
        reserve(second, 40, within)


def test_room_that_is_taken_is_taken_from_the_disk():
    with adding("a", Limits()) as unfinished:
        reserve(unfinished, 2**20, Limits())
        found = unfinished.stat()
        assert (found.st_size, found.st_blocks * 512 >= 2**20) == (2**20, True)


@pytest.mark.parametrize("number", [None, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_no_room_can_be_taken_a_file_gets_its_size(number, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    if number is not None:
        monkeypatch.setattr(os, "posix_fallocate", failing(number), raising=False)
    with adding("a", Limits()) as unfinished:
        reserve(unfinished, 5_000, Limits())
        assert unfinished.stat().st_size == 5_000


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "must have 500 MB free, got less"),
     (errno.EDQUOT, "must have 500 MB free, got less"), (errno.EIO, "cannot be kept")],
)  # fmt: skip
def test_a_disk_that_gives_no_room_is_told(number, told, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", failing(number), raising=False)
    with (
        pytest.raises(DatasetError, match=told),
        adding("a", Limits()) as unfinished,
    ):
        reserve(unfinished, 5_000, Limits())


def failing(number):
    def allocate(file, offset, size):
        raise OSError(number, os.strerror(number))

    return allocate
