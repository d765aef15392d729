"""Tests of `ui/components/latest.py`."""

import os

from ui.components.latest import ABSENT, Latest, bytes_before, stamp_of


def test_a_stamp_changes_with_the_file_and_there_is_one_for_none(tmp_path):
    file = tmp_path / "a"
    assert stamp_of(file) == ABSENT
    file.write_text("1")
    first = stamp_of(file)
    assert first == stamp_of(file) != ABSENT
    other = tmp_path / "b"
    other.write_text("2")
    os.utime(other, ns=(first[0], first[0]))
    other.replace(file)  # same time and size, another file
    assert stamp_of(file) != first


def test_the_end_of_what_was_read_is_found_again(tmp_path):
    file = tmp_path / "a"
    assert bytes_before(file, 3) == b""
    file.write_bytes(b"one\ntwo\n")
    assert bytes_before(file, 4) == b"one\n"
    assert bytes_before(file, 8, 4) == b"two\n"
    assert bytes_before(file, 0) == b""


def test_the_newest_content_of_a_file_is_kept_and_no_older_one(tmp_path):
    latest = Latest()
    old, new = (1, 1, 1), (2, 1, 1)
    assert latest.get(tmp_path, old) is None
    assert latest.put(tmp_path, old, "old") == "old"
    assert latest.get(tmp_path, old) == "old"
    latest.put(tmp_path, new, "new")
    assert latest.get(tmp_path, new) == "new"
    assert latest.get(tmp_path, old) is None


def test_the_one_read_first_is_forgotten_first(tmp_path):
    latest = Latest(limit=2)
    for k in (0, 1, 0, 2):
        latest.put(tmp_path / str(k), (k, 0, 0), k)
    known = [latest.get(tmp_path / str(k), (k, 0, 0)) for k in range(3)]
    assert known == [0, None, 2]
