"""Tests of `ui/components/durations.py`."""

import json
import os

import pytest

from tests.ui import fakes
from trainers.jobs.launcher import JobState
from trainers.status import Process, Status
from ui.components import durations, reading
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


def resumed(run, *seconds, after=""):
    """A run that was resumed and has such rows, the last of them two seconds old."""
    rows = [json.dumps({"seconds": each, "filler": "x" * 5000}) for each in seconds]
    run.metrics.write_text("".join(f"{row}\n" for row in rows) + after)
    os.utime(run.metrics, (90_008.0, 90_008.0))
    again = Process(pid=1, started=90_000.0)
    return view(run, started=1000.0, ended=90_010.0, trainer=again)


@pytest.mark.parametrize(
    ("seconds", "after", "told"),
    [
        ([10.0, 20.0, 30.0], "", 30.0),
        ([10.0, 20.0, 30.0], '{"seconds": 4', 30.0),
        ([40.0], "", 40.0),
        ([10.0, 30.0], "x" * 70_000 + "\n", 30.0),
    ],
)
def test_of_a_resumed_run_the_last_whole_row_is_read(
    root, monkeypatch, seconds, after, told
):
    for module, name in ((reading, "metrics"), (durations, "read_metrics")):
        monkeypatch.setattr(module, name, None, raising=False)
    found = resumed(fakes.write_run(root, "a"), *seconds, after=after)
    assert worked(found) == told + 2.0


def test_early_versions_began_to_count_anew(root):
    found = resumed(fakes.write_run(root, "a"), 10.0, 20.0, 3.0, 7.0)
    assert worked(found) == 27.0 + 2.0
    assert worked(resumed(fakes.write_run(root, "b"))) == 2.0
