"""Tests of how ends of runs are remembered."""

import time

import pytest

from tests.trainers.examples import run_of
from trainers import status as status_module
from trainers.jobs.endings import Endings
from trainers.runs import RunError
from trainers.status import (
    FAILED,
    FINISHED,
    LOST,
    RUNNING,
    STOPPED,
    Process,
    Status,
    end_status,
    write_status,
)


@pytest.fixture
def run(tmp_path):
    return run_of(tmp_path / "a")


def written(run, state, **details):
    return end_status(run, Status(state=RUNNING, created=time.time()), state, **details)


@pytest.fixture
def reads(monkeypatch):
    """How often a status was read."""
    real, seen = status_module.read_status, []
    monkeypatch.setattr(
        status_module, "read_status", lambda run: seen.append(run) or real(run)
    )
    return seen


@pytest.mark.parametrize("state", [FINISHED, FAILED])
def test_an_end_is_read_once(run, reads, state):
    expected = written(run, state, message="over")
    endings = Endings()
    assert endings.observed(run) == endings.observed(run) == expected
    assert len(reads) == 1


def test_a_change_is_seen(run):
    endings = Endings()
    written(run, FAILED)
    endings.observed(run)
    again = write_status(
        run, Status(state=RUNNING, created=1.0, trainer=Process.current())
    )
    assert endings.observed(run) == again
    written(run, FINISHED)
    assert endings.observed(run).state == FINISHED
    run.status.unlink()
    with pytest.raises(RunError, match="does not exist"):
        endings.observed(run)


def test_what_may_change_without_the_file_is_looked_at_each_time(run, reads):
    endings = Endings()
    gone = Process(pid=2**22 - 1, started=1.0)
    write_status(run, Status(state=RUNNING, created=1.0, trainer=gone))
    assert endings.observed(run).state == LOST
    run.stop_request.touch()
    assert endings.observed(run).state == STOPPED
    count = len(reads)
    endings.observed(run)
    assert len(reads) > count


def test_the_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.jobs.endings._MAX_RUNS", 2)
    endings = Endings()
    for name in "abc":
        run = run_of(tmp_path / name)
        written(run, FINISHED)
        assert endings.observed(run).state == FINISHED
    assert len(endings._known) <= 2
