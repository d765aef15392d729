"""Tests of `ui/views/run/header.py`; its buttons are tested with the run's page."""

import time

from tests.ui.fakes import config
from trainers.jobs.launcher import JobState
from trainers.runs import Run
from trainers.status import Process, Status
from ui.components.reading import Summary
from ui.views.run.header import newest, progress_text, subtitle

ROWS = [
    {"kind": "step", "step": 10 * k, "seconds": 1.0 * k, "examples_per_second": 1280.4}
    for k in range(11)
]


def status(**values):
    given = {"state": "running", "created": time.time() - 120, "total_steps": 500}
    return Status(**(given | values))


def second_line(path, **values):
    found = status(**values)
    view = Summary(run=Run(path), state=found.state, job=JobState(status=found))
    return subtitle(view, config(seed=3), found)


def test_the_second_line_tells_where_it_comes_from(tmp_path):
    told = second_line(tmp_path / "id-1")
    assert "MLP · 5 epochs · batch 128 · seed 3 · launched 2 min ago · run id-1" in told


def test_the_second_line_tells_how_long_it_worked_without_pauses(tmp_path):
    ended = {"state": "finished", "started": 100.0, "ended": 90_065.0, "step": 500}
    told = "took 25 h 00 min for 500 steps"
    assert told.replace("25 h 00", "24 h 59") in second_line(tmp_path, **ended)
    again = Process(pid=1, started=90_000.0)
    assert "took 1 min 05 s" in second_line(tmp_path, **ended, trainer=again)


def test_progress_tells_steps_pace_and_time_left():
    told = progress_text(status(step=100, phase="training"), ROWS)
    assert told == "Step 100 of 500 · 1,280 examples/s · about 40 s left"


def test_progress_never_lags_behind_the_curves():
    assert newest(status(step=80), ROWS).step == 100
    assert newest(status(step=120), ROWS).step == 120
    assert newest(status(step=3), []).step == 3


def test_progress_is_honest_before_there_is_a_pace():
    assert progress_text(status(phase="loading"), []) == "Loading…"
    assert progress_text(status(state="starting"), []) == "Starting…"
    assert progress_text(status(step=0, phase="training"), ROWS[:1]).endswith(
        "warming up"
    )


def test_evaluating_is_told_and_promises_nothing():
    told = progress_text(status(step=500, phase="evaluating"), ROWS)
    assert told == "Evaluating… · Step 500 of 500 · 1,280 examples/s"
