"""Tests of reading a file that grows and is replaced."""

import pytest

from trainers.lines import Lines
from trainers.runs import write_atomically


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x"


@pytest.fixture
def reader(path):
    """Return how to begin to read, by what `Lines` takes."""
    made = []

    def begin(**settings):
        made.append(Lines(path, **settings))
        return made[-1]

    yield begin
    for lines in made:
        lines.close()


def add(path, text):
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize("is_log", [False, True])
def test_lines_of_a_file_that_comes_later_come_once(reader, path, is_log):
    lines = reader(is_log=is_log)
    assert lines.read() == []
    add(path, "1\n2\n")
    assert lines.read() == [b"1\n", b"2\n"]
    assert lines.read() == []
    add(path, "3\n")
    assert lines.read() == [b"3\n"]


def test_a_half_written_line_is_read_when_it_is_whole(reader, path):
    add(path, "1\n2")
    lines = reader()
    assert lines.read() == [b"1\n"]
    assert lines.read() == []
    add(path, "2\n")
    assert lines.read() == [b"22\n"]


def test_what_was_there_is_read_but_of_a_log(reader, path):
    add(path, "1\n")
    assert reader().read() == [b"1\n"]
    log = reader(is_log=True)
    assert log.read() == []
    add(path, "2\n")
    assert log.read() == [b"2\n"]


def test_a_replaced_file_is_read_from_its_beginning(reader, path):
    add(path, "1\n2\n3\n")
    lines = reader()
    assert len(lines.read()) == 3
    for _ in range(3):  # a file system may give the same number again
        add(path, "of no account any more\n")
        write_atomically(path, b"1\n")
        assert lines.read() == [b"1\n"]
    add(path, "2\n")
    assert lines.read() == [b"2\n"]


def test_a_log_is_read_through_its_rotation(reader, path):
    add(path, "1\n")
    log = reader(is_log=True)
    add(path, "2\n")
    path.rename(path.with_name("x.1"))
    add(path, "3\n")
    assert log.read() == [b"2\n", b"3\n"]
    assert log.read() == []


def test_a_file_that_was_removed_gives_its_last_lines(reader, path):
    add(path, "1\n")
    lines = reader()
    assert len(lines.read()) == 1
    add(path, "2\n")
    path.unlink()
    assert lines.read() == [b"2\n"]
    assert lines.read() == []
