"""Tests of a run of tasks from its folder to its final status."""

import json
import os
import signal

import pytest
import torch

from tests.trainers.continual.examples import settings
from trainers.continual import session
from trainers.continual.learners import Learner
from trainers.continual.record import (
    is_continual,
    new_continual_run,
    read_record,
    record_path,
)
from trainers.ranks import Ranks
from trainers.reporting import Reporter
from trainers.runs import Run, read_metrics
from trainers.session import train_run
from vogn_app import load_posterior


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Pictures take seconds, and have tests of their own."""
    monkeypatch.setattr(session, "write_pictures", lambda *_: None)


def new(path, **others):
    return new_continual_run(settings(**others), "test", path)


def rows_of(run):
    rows, _ = read_metrics(run)
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def accuracies(run):
    return {n: c.accuracy for n, c in read_record(run).courses.items()}


def test_a_run_finishes_with_all_its_files(tmp_path):
    run = new(tmp_path / "a")
    status = train_run(run, show_bar=False)
    assert (status.state, status.message) == ("finished", "Finished.")
    # Three steps a task and method, of joint training six in the second task.
    assert status.step == status.total_steps == 3 * 2 * 3 + 3 + 6
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "annotations.json", "config.json", "continual.json", "status.json",
        "metrics.jsonl", "checkpoint", "posterior.safetensors",
    }  # fmt: skip
    kept = sorted(path.name for path in run.checkpoint.iterdir())
    assert kept == ["adamw-2.pt", "ewc-2.pt", "joint-2.pt", "vogn-2.safetensors"]
    record = read_record(run)
    assert record.is_complete
    assert record.num_test == 361
    assert load_posterior(run.posterior).metadata["prior"] == "a former posterior"


def test_rows_are_told_by_task_and_epoch(tmp_path):
    run = new(tmp_path / "a", methods=("vogn", "joint"), epochs=2)
    train_run(run, show_bar=False)
    rows = rows_of(run)
    told = [(r["kind"], r["method"], r["task"], r["step"], r["epoch"]) for r in rows]
    assert told == [
        ("epoch", "vogn", 1, 3, 1), ("epoch", "vogn", 1, 6, 2),
        ("task", "vogn", 1, 6, 2),
        ("continual_epoch", "joint", 1, 9, 1), ("continual_epoch", "joint", 1, 12, 2),
        ("task", "joint", 1, 12, 2),
        ("epoch", "vogn", 2, 15, 3), ("epoch", "vogn", 2, 18, 4),
        ("task", "vogn", 2, 18, 4),
        ("continual_epoch", "joint", 2, 24, 3), ("continual_epoch", "joint", 2, 30, 4),
        ("task", "joint", 2, 30, 4),
    ]  # fmt: skip
    averages = [row["average_accuracy"] for row in rows if row["kind"] == "task"]
    record = read_record(run)
    assert averages[2:] == [
        record.courses[name].averages[-1] for name in ("vogn", "joint")
    ]


def signalling_at(last):
    """A `Reporter.advance` at whose call of that number a Ctrl-C comes."""
    real, calls = Reporter.advance, []

    def advance(reporter):
        real(reporter)
        calls.append(1)
        if len(calls) == last:
            os.kill(os.getpid(), signal.SIGINT)

    return advance


@pytest.mark.parametrize("last", [2, 5, 9])
def test_a_stopped_run_goes_on_to_the_same_end(tmp_path, monkeypatch, last):
    """A stop at a step of the first task, of the second method, of the second task."""
    methods = ("vogn", "ewc")
    straight = new(tmp_path / "straight", methods=methods)
    broken = new(tmp_path / "broken", methods=methods)
    train_run(straight, show_bar=False)
    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "advance", signalling_at(last))
        status = train_run(broken, show_bar=False)
    assert status.state == "stopped"
    done = sum(c.num_tasks for c in read_record(broken).courses.values())
    assert done == (last - 1) // 3  # the task of that step is given up
    status = train_run(broken, show_bar=False)
    assert status.state == "finished"
    assert status.step == status.total_steps
    assert accuracies(broken) == accuracies(straight)
    assert rows_of(broken) == rows_of(straight)
    first, second = (load_posterior(run.posterior) for run in (straight, broken))
    for name, mean in first.mean.items():
        assert torch.equal(mean, second.mean[name])
        assert torch.equal(first.precision[name], second.precision[name])


def test_a_finished_record_needs_no_step(tmp_path, monkeypatch):
    run = new(tmp_path / "a", methods=("adamw",))
    train_run(run, show_bar=False)
    before = accuracies(run)
    monkeypatch.setattr(Learner, "learn", None)
    assert train_run(run, show_bar=False).state == "finished"
    assert accuracies(run) == before
    assert not run.posterior.exists()  # of VOGN alone


def test_failures_are_told_in_the_status(tmp_path):
    many = new(tmp_path / "many", num_train=10_000)
    status = train_run(many, show_bar=False)
    assert (status.state, status.error_class) == ("failed", "configuration")
    assert "num_train must be <= 1257" in status.message
    lost = new(tmp_path / "lost", methods=("adamw",))
    train_run(lost, show_bar=False)
    (lost.checkpoint / "adamw-2.pt").unlink()
    assert train_run(lost, show_bar=False).state == "failed"
    damaged = new(tmp_path / "damaged")
    record_path(damaged).write_text(json.dumps({"schema": 1}))
    status = train_run(damaged, show_bar=False)
    assert (status.state, status.error_class) == ("failed", "configuration")
    assert "is no record of tasks" in status.message


def test_several_ranks_are_refused(tmp_path):
    run = new(tmp_path / "a")
    status = train_run(run, show_bar=False, ranks=Ranks(rank=0, size=2))
    assert "tasks must be learned by one process, got 2." in status.message


def test_other_runs_are_none_of_tasks(tmp_path):
    assert not is_continual(Run(tmp_path))
