"""benchmarks/peers/learning.py."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch.optim import SGD

from benchmarks.peers import learning
from benchmarks.peers.contenders import Setting
from benchmarks.peers.learning import Attempt, Curve, Curves, Learner, Point
from benchmarks.peers.training import fresh_model
from benchmarks.tasks import load_problem
from tests.benchmarks.examples import MOONS
from vogn_app import KFAC

# Eight steps an epoch, so a look at every fourth.
ATTEMPT = Attempt("sgd", batch_size=100, setting=Setting(0.1), seed=0, limit=2)
NEVER = 2.0  # a goal that no accuracy reaches


@pytest.fixture
def problem():
    return load_problem(MOONS)


@pytest.fixture
def steps(monkeypatch):
    """Counts of examples of all steps that are made."""
    made, real = [], learning.accumulated_step

    def counted(model, optimizer, train, rows):
        made.append(len(rows))
        return real(model, optimizer, train, rows)

    monkeypatch.setattr(learning, "accumulated_step", counted)
    return made


def steps_and_accuracies(curve):
    return [(point.step, point.accuracy) for point in curve.points]


@pytest.mark.parametrize("optimizer", [SGD, KFAC])
def test_chunks_make_the_step_of_the_whole_batch(optimizer, problem, monkeypatch):
    rows, after = torch.arange(230), []
    for chunk in (1000, 64):  # 64, 64, 64 and 38 examples
        monkeypatch.setattr(learning, "CHUNK", chunk)
        model = fresh_model(problem, 0)
        of_what = model if optimizer is KFAC else model.parameters()
        loss = learning.accumulated_step(
            model, optimizer(of_what, lr=0.1), problem.train, rows
        )
        after.append([torch.tensor(loss), *(p.detach() for p in model.parameters())])
    torch.testing.assert_close(after[0], after[1], rtol=1e-4, atol=1e-6)
    assert not torch.equal(after[0][1], next(fresh_model(problem, 0).parameters()))


def test_the_test_set_is_looked_at_every_half_epoch_and_at_least_every_step(problem):
    assert learning.steps_per_epoch(problem, 100) == 8
    assert learning.evaluation_interval(problem, 100) == 4
    assert learning.evaluation_interval(problem, 300) == 2  # of three steps
    assert learning.evaluation_interval(problem, 800) == 1
    curve = Learner(ATTEMPT, problem, NEVER).learn(16)
    assert [point.step for point in curve.points] == [4, 8, 12, 16]
    seconds = [point.seconds for point in curve.points]
    assert seconds[0] > 0
    assert seconds == sorted(seconds)


def test_the_learning_rate_rises_over_a_twentieth_of_the_limit(problem):
    learner = Learner(replace(ATTEMPT, limit=10), problem, NEVER)  # 80 steps
    rates = []
    for _ in range(6):
        rates.append(learner.optimizer.param_groups[0]["lr"])
        learner.optimizer.step()
        learner.scheduler.step()
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_it_learns(problem):
    curve = Learner(replace(ATTEMPT, limit=20), problem, NEVER).learn(160)
    assert curve.points[-1].accuracy > 0.85  # 0.5 is chance


def test_it_ends_at_the_goal(problem):
    curve = Learner(ATTEMPT, problem, goal=0.0).learn(16)
    assert [point.step for point in curve.points] == [4]
    assert curve.is_over


def test_it_ends_where_the_loss_is_no_longer_finite(problem, monkeypatch):
    losses = iter([1.0] * 7 + [math.nan])
    monkeypatch.setattr(learning, "accumulated_step", lambda *_: next(losses))
    learner = Learner(ATTEMPT, problem, NEVER)
    learner.optimizer.step()  # the scheduler wants it before its own
    curve = learner.learn(1000)
    assert [point.step for point in curve.points] == [4, 8]
    assert curve.is_over


def test_accuracy_is_that_of_eval_mode(problem):
    test = problem.judged[0]

    class Model(torch.nn.Module):
        def forward(self, inputs):
            assert not self.training
            return torch.tensor([[0.0, 1.0]]).expand(len(inputs), 2)

    ones = int((test.labels == 1).sum())
    assert learning.accuracy_on(Model(), test) == ones / len(test)


def test_a_curve_is_continued_not_begun_anew(problem, steps):
    curves = Curves(problem, NEVER)
    short = curves.until(ATTEMPT, 8)
    assert len(steps) == 8
    whole = curves.until(ATTEMPT, 16)
    assert len(steps) == 16
    assert curves.until(ATTEMPT, 8) == short
    assert whole.points[:2] == short.points
    assert len(steps) == 16
    alone = Learner(ATTEMPT, problem, NEVER).learn(16)
    assert steps_and_accuracies(whole) == steps_and_accuracies(alone)


def test_what_was_learned_is_kept_in_a_file(problem, steps, tmp_path):
    path = tmp_path / "curves.jsonl"
    attempts = [ATTEMPT, replace(ATTEMPT, setting=Setting(0.01))]
    curves = Curves(problem, NEVER, path)
    first = [curves.until(attempt, 16) for attempt in attempts]
    lines = path.read_text().splitlines()
    assert [json.loads(line)["batch_size"] for line in lines] == [100, 100]
    del steps[:]
    again = Curves(problem, NEVER, path)
    assert [again.until(attempt, 16) for attempt in attempts] == first
    assert not steps


def test_after_an_interruption_a_short_curve_is_learned_again(problem, tmp_path):
    path = tmp_path / "curves.jsonl"
    Curves(problem, NEVER, path).until(ATTEMPT, 8)
    whole = Curves(problem, NEVER, path).until(ATTEMPT, 16)
    alone = Learner(ATTEMPT, problem, NEVER).learn(16)
    assert steps_and_accuracies(whole) == steps_and_accuracies(alone)
    assert Curves(problem, NEVER, path).known[ATTEMPT] == whole  # the last line counts


def test_settings_of_second_order_methods_are_kept_too():
    setting = Setting(damping=1e-3, kl_clip=1e-2)
    attempt = replace(ATTEMPT, method="kfac", setting=setting)
    curve = Curve((Point(4, 0.25, 0.875),), is_over=True)
    assert learning.from_line(learning.to_line(attempt, curve)) == (attempt, curve)


def test_points_of_a_curve():
    curve = Curve((Point(4, 1.0, 0.5), Point(8, 2.0, 0.9), Point(12, 3.0, 0.7)))
    assert curve.first(0.6) == Point(8, 2.0, 0.9)
    assert curve.first(0.95) is None
    assert curve.best == 0.9
    assert (curve.reaches(12), curve.reaches(13)) == (True, False)
    assert curve.until(11).points == curve.points[:2]
    assert Curve().best == 0.0
    assert replace(curve, is_over=True).reaches(13)
