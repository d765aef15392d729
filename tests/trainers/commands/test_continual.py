"""Tests of learning tasks one after another from the command line."""

import argparse
import os
import signal

import pytest

from tests.trainers.examples import run_of
from trainers.commands import continual
from trainers.commands.continual import hyperparameters
from trainers.continual import session
from trainers.continual.record import read_record
from trainers.continual.settings import DEFAULTS, QUICK
from trainers.reporting import Reporter
from trainers.runs import Run
from trainers.status import read_status

DIGITS = ("continual", "--dataset", "digits", "--tasks", "2", "--epochs", "1",
          "--hidden", "8", "--num-train", "100", "--device", "cpu")  # fmt: skip


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Pictures take seconds, and have tests of their own."""
    monkeypatch.setattr(session, "write_pictures", lambda *_: None)


def test_it_prints_a_table_and_the_folder(say, tmp_path):
    path = tmp_path / "runs" / "a"
    code, lines, _ = say(*DIGITS, "--run-dir", path, "--methods", "joint", "vogn")
    assert code == 0
    assert lines[-1] == str(path)
    assert lines[0].split()[:3] == ["Method", "Average", "accuracy"]
    course = read_record(Run(path)).courses["vogn"]
    assert lines[1].startswith("VOGN")
    assert f"{100 * course.averages[-1]:.1f} %" in lines[1]
    assert lines[2].startswith("Joint training")
    assert lines[3].startswith("After 2 tasks VOGN is right on")


def test_a_stop_is_told_with_what_goes_on(say, tmp_path, monkeypatch):
    path = tmp_path / "runs" / "a"
    real, calls = Reporter.advance, []

    def advance(reporter):
        real(reporter)
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "advance", advance)
        words = (*DIGITS, "--batch-size", "50", "--run-dir", path)
        code, lines, _ = say(*words, "--methods", "adamw")
    assert code == 130
    assert lines[-3:] == [
        "stopped: Stopped on request.",
        f"Go on with: python -m trainers continual --resume {path}",
        str(path),
    ]
    assert read_record(Run(path)).courses["adamw"].num_tasks == 1
    code, lines, _ = say("continual", "--resume", "a")
    assert (code, lines[-1]) == (0, str(path))
    assert read_record(Run(path)).is_complete
    code, _, (error,) = say("continual", "--resume", "a")
    assert code == 2
    assert "cannot be resumed: it is finished" in error


def test_the_other_way_to_resume_goes_on_with_the_tasks_too(say, tmp_path):
    parser = argparse.ArgumentParser()
    continual.add_flags(parser)
    words = [*DIGITS[1:], "--methods", "adamw", "--run-dir", str(tmp_path / "runs/a")]
    run = continual._begun(parser.parse_args(words))
    code, lines, _ = say("run", "--resume", "a")
    assert (code, lines[-1]) == (0, str(run.path))
    assert lines[0].split()[0] == "Method"
    assert read_record(run).is_complete
    assert read_status(run).state == "finished"


def test_flags_become_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(continual, "new_continual_run", lambda settings, *_: settings)
    parser = argparse.ArgumentParser()
    continual.add_flags(parser)

    def begun(*words):
        return continual._begun(parser.parse_args([str(word) for word in words]))

    assert begun() == DEFAULTS
    assert begun("--quick") == QUICK
    given = begun("--quick", "--hidden", 5, 6, "--seed", 3, "--vogn", "lr=0.5")
    assert (given.hidden, given.seed, given.epochs) == ((5, 6), 3, QUICK.epochs)
    assert given.vogn == {**QUICK.vogn, "lr": 0.5}
    assert begun("--validate", "--ewc-strength", 7).ewc_strength == 7


def test_hyperparameters_are_read_by_their_kind():
    words = ["lr=1e-3", "num_samples=2", "sampled=false", "damping=auto"]
    assert hyperparameters(words) == {
        "lr": 1e-3, "num_samples": 2, "sampled": False, "damping": "auto",
    }  # fmt: skip
    for word in ("lr", "=3", "lr="):
        with pytest.raises(ValueError, match="vogn must be NAME=VALUE, got "):
            hyperparameters([word])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--methods", "sgd"), "methods must be some of vogn, ewc, adamw, joint"),
        (("--dataset", "moons"), "dataset must be a set of images"),
        (("--vogn", "rate=1"), "rate"),
        (("--resume", "b"), "There is no run 'b'"),
        (("--resume", "a", "--quick"), "--resume must stand alone"),
        (("--resume", "a", "--seed", "0"), "got also --seed."),
        (("--resume", "a"), "run a must be of tasks, got one without them."),
    ],
)
def test_mistakes_are_told_and_leave_nothing(say, tmp_path, words, told):
    run_of(tmp_path / "runs" / "a")
    code, _, (error,) = say("continual", *words)
    assert code == 2
    assert told in error
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]
