"""Tests of how a trial is trained."""

import math
import time
from dataclasses import replace

import pytest
import torch

from tests.trainers.examples import rows_of
from tests.trainers.tuning.examples import Stop, asked, config
from trainers import session
from trainers.runs import new_run
from trainers.session import load_data
from trainers.status import ON_REQUEST
from trainers.tuning import training as module
from trainers.tuning.training import OUT_OF_TIME, Bench, Interruption
from trainers.tuning.trial import COMPLETE, CUT, DIVERGED

ADAMW = asked("adamw").tried("adamw", {"lr": 0.01})


def never(_):
    return False


def bench(optimizer="adamw", **more):
    return Bench(config(optimizer), more.pop("stop", Stop()), **more)


class Untouchable:
    """A test split that nobody may look at."""

    def __getattr__(self, name):
        raise AssertionError(f"somebody looked at {name} of the test split")

    def __len__(self):
        raise AssertionError("somebody counted the test split")


def test_a_trial_is_what_a_run_does(tmp_path, monkeypatch):
    """The scores are those that the run with the same configuration logs."""
    monkeypatch.setattr(session, "evaluate_run", lambda *_: None)
    run = new_run(ADAMW, "test", tmp_path / "run")
    assert session.train_run(run, show_bar=False).state == "finished"
    logged = [row for row in rows_of(run) if row["kind"] == "epoch"]
    outcome = bench().train(ADAMW, never)
    assert outcome.state == COMPLETE
    assert [s.nll for s in outcome.scores] == [r["validation_nll"] for r in logged]
    assert [s.ece for s in outcome.scores] == [r["validation_ece"] for r in logged]


def test_trials_do_not_depend_on_those_before():
    made = bench("vogn")
    first, cold = asked().tried("vogn", {}), asked().tried("vogn", {"temperature": 0.1})
    alone = made.train(first, never)
    assert made.train(cold, never) != alone
    assert made.train(first, never) == alone
    assert bench("vogn").train(first, never) == alone


def test_the_test_split_is_not_touched(monkeypatch):
    data = replace(load_data(config()), test=Untouchable())
    monkeypatch.setattr(module, "load_data", lambda _: data)
    with pytest.raises(AssertionError):
        len(data.test)
    assert bench("vogn").train(asked().tried("vogn", {}), never).state == COMPLETE


def test_a_trial_may_be_ended_after_any_epoch_but_not_within_one():
    seen = []

    def second(score):
        seen.append(score)
        return len(seen) == 2

    outcome = bench().train(ADAMW, second)
    assert outcome.state == CUT
    assert list(outcome.scores) == seen
    assert len(seen) == 2


def test_what_diverges_is_told_as_such():
    wild = asked("sgd").tried("sgd", {"lr": 1e6})
    outcome = bench("sgd").train(wild, never)
    assert outcome.state == DIVERGED
    assert "diverged" in outcome.message
    assert len(outcome.scores) < 3


def test_a_singular_matrix_counts_as_diverged(monkeypatch):
    def fail(*_):
        raise torch.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(module.Trainer, "_validate", fail)
    outcome = bench().train(ADAMW, never)
    assert (outcome.state, outcome.message) == (DIVERGED, "not positive definite")


def test_other_errors_are_not_hidden(monkeypatch):
    def fail(*_):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(module.Trainer, "_validate", fail)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        bench().train(ADAMW, never)


def test_a_stop_and_the_end_of_the_time_interrupt_between_two_steps():
    with pytest.raises(Interruption, match=ON_REQUEST):
        bench(stop=Stop(2)).train(ADAMW, never)
    with pytest.raises(Interruption, match=OUT_OF_TIME):
        bench(deadline=time.monotonic()).train(ADAMW, never)


def test_auto_becomes_a_number():
    start = bench("vogn").start()
    num = len(load_data(config()).train)
    assert start["lr"] == pytest.approx(4000 / num)
    assert start["prior_precision"] == pytest.approx(num / 1200)
    assert start["momentum"] == 0.9
    assert bench("noisy_kfac").start()["damping"] == pytest.approx(200 / num)
    assert bench().num_steps == 3 * math.ceil(num / 240)


def test_a_prior_precision_follows_the_elbo():
    tried = asked().tried("vogn", {"prior_precision": 1e-3})
    outcome = bench("vogn").train(tried, never, learns_prior=True)
    assert outcome.found["prior_precision"] > 0.1
    assert bench("vogn").train(tried, never).found == {}
