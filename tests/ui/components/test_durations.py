"""Tests of `ui/components/durations.py`."""

import os

import pytest

from tests.ui import fakes
from trainers.jobs.launcher import JobState
from trainers.status import Process, Status
from ui.components.durations import was_resumed, worked
from ui.components.reading import Summary


def view(run, **values):
    status = Status(state="finished", created=0.0, **values)
    return Summary(run=run, state=status.state, job=JobState(status=status))


def test_a_run_that_went_through_worked_from_start_to_end(root):
    run, process = fakes.write_run(root, "a"), Process(pid=1, started=997.0)
    found = view(run, started=1000.0, ended=1113.5, trainer=process)
    assert worked(found) == 113.5
    assert worked(view(run, started=1000.0, heartbeat=1020.0)) == 20.0
    assert worked(view(run)) is None
    rank = Process(pid=1, started=1012.0)  # which a launcher started later
    assert worked(view(run, started=1000.0, ended=1113.5, trainer=rank)) == 113.5


def test_pauses_of_a_resumed_run_are_no_work(root):
    run = fakes.write_run(root, "a")  # 500 steps in 10 seconds
    os.utime(run.metrics, (90_008.0, 90_008.0))
    again = Process(pid=1, started=90_000.0)
    found = view(run, started=1000.0, ended=90_011.0, trainer=again)
    assert was_resumed(found.status)
    assert worked(found) == pytest.approx(10.0 + 3.0)  # training, then evaluation
    os.utime(run.metrics, (99_999.0, 99_999.0))  # copied since
    assert worked(found) == pytest.approx(10.0)
    run.metrics.unlink()  # stopped before its first row, and resumed
    assert worked(found) == pytest.approx(11.0)
