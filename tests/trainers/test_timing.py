"""Tests of timing steps."""

import pytest
import torch

from trainers import timing
from trainers.timing import in_groups, median_seconds, span, timed_steps

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """A clock that steps move on, by what a list says."""
    now, takes = [0.0], []
    monkeypatch.setattr(timing.time, "monotonic", lambda: now[0])

    def step(number):
        now[0] += takes[number % len(takes)]

    return takes, step


def test_steps_are_warmed_up_and_bounded_in_time(clock):
    takes, step = clock
    takes[:] = [0.1]
    times, number = timed_steps(step, CPU, 1.0)
    assert number == 11
    assert times == pytest.approx([0.1] * 11)


def test_a_step_that_takes_long_is_measured_once(clock):
    takes, step = clock
    takes[:] = [60.0]
    assert timed_steps(step, CPU, 1.0) == ([60.0], 1)


def test_dear_steps_have_the_share_that_they_have_in_a_run(clock):
    takes, step = clock
    takes[:] = [1.0, *[0.1] * 9]
    times, _ = timed_steps(step, CPU, 21.0, cycle=10)
    assert times == pytest.approx([0.19] * len(times))
    assert len(times) > 5


def test_groups_have_whole_cycles_where_there_are_enough():
    assert in_groups([1.0, 3.0] * 4, 2) == [2.0] * 4
    assert in_groups([1.0, 3.0, 1.0], 2) == [2.0]
    assert in_groups([1.0, 3.0], 10) == [2.0]
    assert len(in_groups([1.0] * 395, 1)) == 10


def test_the_span_is_a_tenth_off_at_least_and_no_outlier_moves_its_middle():
    assert span([1.0]) == pytest.approx((0.9, 1.0, 1.1))
    assert span([1.0] * 9 + [50.0]).middle == 1.0
    assert span([1.0, 2.0, 3.0]).low == pytest.approx(1.2)


def test_a_prediction_is_timed_by_the_median(clock):
    takes, step = clock
    takes[:] = [0.1, 0.1, 9.0]
    number = iter(range(100))
    assert median_seconds(lambda: step(next(number)), CPU) == pytest.approx(0.1)
