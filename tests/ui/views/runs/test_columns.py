"""Tests of `ui/views/runs/columns.py`."""

import time

import pytest

from tests.ui import fakes
from trainers import jobs
from trainers.annotations import Annotations, write_annotations
from trainers.status import Process
from ui.components import reading
from ui.views.runs.columns import ALWAYS, DEFAULT, catalogue


def test_every_column_has_a_title_of_its_own_and_the_default_ones_are_there(root):
    views = [reading.summary(fakes.write_run(root, "a", evaluated=True))]
    known = catalogue(views)
    titles = [column.title for column in known.values()]
    assert len(set(titles)) == len(titles)
    assert set(DEFAULT) <= set(known)
    assert set(DEFAULT) >= ALWAYS
    assert all(name == column.id for name, column in known.items())


def test_a_finished_run_tells_its_numbers(root):
    run = fakes.write_run(root, "a", evaluated=True)
    write_annotations(run, Annotations(tags=("x",), note="why"))
    view = reading.summary(run)
    told = {name: column.value(view) for name, column in catalogue([view]).items()}
    assert told["accuracy"] == view.metrics["accuracy"]
    assert told["progress"] == 1.0
    assert (told["step"], told["total_steps"]) == (500, 500)
    assert abs(told["minutes"] - 230 / 60) < 0.01
    assert told["created"].timestamp() < told["ended"].timestamp()
    assert (told["tags"], told["note"]) == (("x",), "why")
    assert len(told["curve"]) == 5
    assert told["message"] == ""
    assert told["archived"] is None


def test_pauses_of_a_resumed_run_are_no_minutes(root):
    resumed = Process(pid=1, started=time.time() - 100)
    view = reading.summary(fakes.write_run(root, "a", trainer=resumed))
    minutes = catalogue([view])["minutes"]
    assert minutes.value(view) == pytest.approx(10 / 60)  # 500 steps of 0.02 seconds


def test_a_queued_run_tells_its_group_and_its_priority(root):
    (run,) = jobs.engine().submit([fakes.config()], group="mine", priority=3)
    view = reading.summary(run)
    known = catalogue([view])
    assert (known["group"].value(view), known["priority"].value(view)) == ("mine", 3)
    assert known["minutes"].value(view) is None


def test_a_damaged_run_tells_what_it_can(root):
    (root / "a").mkdir()
    (root / "a" / "config.json").write_text("{")
    (run,) = jobs.engine().queue() or [reading.find("a")]
    view = reading.summary(run)
    told = {name: column.value(view) for name, column in catalogue([view]).items()}
    assert told["message"] == "status.json does not exist."
    assert told["dataset"] is told["created"] is told["minutes"] is None


def test_runs_of_a_sweep_are_told_apart(root):
    runs = jobs.engine().submit([fakes.config(seed=1), fakes.config(seed=2)])
    views, _ = reading.summaries(runs)
    told = catalogue(views, ["seed"])["differs"]
    assert [told.value(view) for view in views] == ["seed 1", "seed 2"]
    assert catalogue(views)["differs"].value(views[0]) == ""


def test_a_title_that_is_taken_does_not_come_twice(root):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text('{"metrics": {"state": 1, "STATE": 2, "progress": 3}}')
    view = reading.summary(run)
    known = catalogue([view])
    assert known["state"].value(view) == "finished"
    assert known["progress"].value(view) == 1.0
