"""Tests of what was tried as charts: every trial is there, at its place."""

import math
from itertools import pairwise

import pytest

from calibration.report.chart import legend_of
from tests.trainers.tuning.examples import LR, stage, trial
from trainers.tuning.charts import (
    ABOVE,
    BEST,
    LOOKS,
    LOST,
    decimal_ticks,
    height_of,
    look,
    pictures,
)
from trainers.tuning.halving import Halving
from trainers.tuning.outcome import Played
from trainers.tuning.spaces import Dimension
from trainers.tuning.stages import TARGET
from trainers.tuning.trial import CUT, DIVERGED

HALVING = Halving(max_epochs=9, min_epochs=1, factor=3)
MOMENTUM = Dimension(name="momentum", low=0.5, high=0.9, log=False)
SOME = [
    trial(0, [0.9] * 8 + [0.4], parameters={"lr": 0.01, "momentum": 0.5}),
    trial(1, [0.8], CUT, parameters={"lr": 0.001, "momentum": 0.6}),
    trial(2, [0.7] * 8 + [0.2], parameters={"lr": 0.02, "momentum": 0.7}),
    trial(3, [0.6, 0.5, 0.6], CUT, parameters={"lr": 0.03, "momentum": 0.8}),
    trial(4, [0.6], DIVERGED, parameters={"lr": 0.1, "momentum": 0.9}),
]
PLAYED = Played(
    stage(
        optimizer="sgd",
        space=(LR, MOMENTUM),
        reference=trial(nlls=(0.3,), stage=TARGET),
    ),
    SOME,
)


def lines(chart):
    return [mark for panel in chart.panels for mark in panel.marks]


def points(chart):
    """All marks of one trial with a symbol."""
    return [mark for mark in lines(chart) if mark.symbol and len(mark.x)]


def test_a_point_a_trial_in_every_chart():
    curves, rate, momentum = pictures(PLAYED, HALVING)
    for picture, name in ((rate, "lr"), (momentum, "momentum")):
        places = {(mark.x[0], mark.y[0]) for mark in points(picture.chart)}
        assert places == {(t.parameters[name], height_of(t, PLAYED)) for t in SOME}
        assert len(points(picture.chart)) == len(SOME)
    assert rate.chart.x.log
    assert not momentum.chart.x.log
    assert len(points(curves.chart)) == len(SOME)


def test_a_curve_a_trial_and_the_rungs_of_the_halving():
    curves, *_ = pictures(PLAYED, HALVING)
    drawn = [m for m in lines(curves.chart) if m.dash == "solid"]
    assert sorted(len(mark.x) for mark in drawn) == [1, 1, 3, 9, 9]
    rungs = [mark.x[0] for mark in lines(curves.chart) if mark.name == "halving"]
    assert rungs == [1, 3]
    assert curves.chart.x.log
    assert "5 trials, of which 3 were ended before" in curves.alt


def test_the_best_is_a_star_on_top_and_what_diverged_is_above_all():
    _, rate, _ = pictures(PLAYED, HALVING)
    *_, last = points(rate.chart)
    assert (last.color, last.symbol) == BEST
    assert last.x == [0.02]
    (lost,) = [m for m in points(rate.chart) if (m.color, m.symbol) == LOST]
    assert lost.y == [pytest.approx(ABOVE * 0.8)]
    assert "diverged" in lost.name
    assert "the best, 0.2000, is trial 2 at lr 0.02." in rate.alt


def test_the_target_is_a_line_across():
    for picture in pictures(PLAYED, HALVING):
        (across,) = [m for m in lines(picture.chart) if m.name == "best of AdamW"]
        assert across.y == [0.3, 0.3]
    for picture in pictures(Played(stage(), SOME), HALVING):
        assert not [m for m in lines(picture.chart) if m.name.startswith("best of")]


def test_the_legend_has_the_budgets_that_were_reached():
    _, rate, _ = pictures(PLAYED, HALVING)
    assert [mark.name for mark in legend_of(rate.chart)] == [
        "best of AdamW", "9 epochs", "3 epochs", "1 epoch", "diverged", "best",
    ]  # fmt: skip
    assert [look(epochs, HALVING) for epochs in (9, 3, 1)] == list(LOOKS[:3])
    deep = Halving(max_epochs=512, factor=2)
    assert look(1, deep) == LOOKS[-1]


def test_candidates_stand_in_a_row():
    named = [trial(i, (0.5,), title=title) for i, title in enumerate(("a", "b"))]
    _, steps = pictures(Played(stage(space=()), named), HALVING)
    assert steps.chart.x.ticks == {0.0: "a", 1.0: "b"}
    assert len(points(steps.chart)) == 2


def test_trials_without_an_epoch_do_not_break_a_chart():
    lost = Played(stage(), [trial(0, (), DIVERGED)])
    curves, rate = pictures(lost, HALVING)
    assert len(points(rate.chart)) == 1
    assert not points(curves.chart)
    assert rate.alt == "NLL of 1 trial, none of which came to its end."


def test_choices_are_ticks():
    some = Dimension(name="lr", low=0, high=9, choices=(0, 4, 9))
    _, chart = pictures(Played(stage(space=(some,)), SOME), HALVING)
    assert chart.chart.x.ticks == {0.0: "0", 4.0: "4", 9.0: "9"}


@pytest.mark.parametrize(
    ("low", "high"), [(1e-4, 1e-1), (0.083, 0.3), (0.5, 0.9), (1e-8, 1e8), (2, 2.0001)]
)
def test_ticks_are_few_apart_and_within(low, high):
    ticks = [*decimal_ticks(low, high)]
    assert 2 <= len(ticks) <= 11
    assert ticks == sorted(set(ticks))
    assert all(low / 1.02 <= tick <= high * 1.02 for tick in ticks)
    steps = [math.log(b / a) for a, b in pairwise(ticks)]
    assert min(steps) >= math.log(high / low) / 9 - 1e-9
