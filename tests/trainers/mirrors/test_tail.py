"""Reading a file that grows and is replaced."""

import pytest

from trainers.mirrors.tail import Tail
from trainers.runs import write_atomically


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


@pytest.fixture
def tail(path):
    tail = Tail(path)
    yield tail
    tail.close()


def add(path, text):
    with path.open("a") as file:
        file.write(text)


def test_rows_come_once(tail, path):
    assert tail.read() == []
    add(path, '{"step": 1}\n{"step": 2}\n')
    assert tail.read() == [{"step": 1}, {"step": 2}]
    assert tail.read() == []
    add(path, '{"step": 3}\n')
    assert tail.read() == [{"step": 3}]


def test_a_half_written_line_is_read_when_it_is_whole(tail, path):
    add(path, '{"step": 1}\n{"st')
    assert tail.read() == [{"step": 1}]
    assert tail.read() == []
    add(path, 'ep": 2}\n')
    assert tail.read() == [{"step": 2}]


def test_a_damaged_line_costs_itself_alone(tail, path):
    damaged = [b"oops", b"[5]", b"\xff", b"[" * 100_000]
    path.write_bytes(b"\n".join([b'{"step": 1}', *damaged, b'{"step": 2}', b""]))
    assert tail.read() == [{"step": 1}, {"step": 2}]


def test_a_replaced_file_is_read_from_its_beginning(tail, path):
    add(path, '{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    assert len(tail.read()) == 3
    for _ in range(3):  # a file system may give the same number again
        write_atomically(path, b'{"step": 1}\n')
        assert tail.read() == [{"step": 1}]
    add(path, '{"step": 2}\n')
    assert tail.read() == [{"step": 2}]


def test_a_file_that_was_removed_gives_its_last_rows(tail, path):
    add(path, '{"step": 1}\n')
    assert len(tail.read()) == 1
    add(path, '{"step": 2}\n')
    path.unlink()
    assert tail.read() == [{"step": 2}]
    assert tail.read() == []
