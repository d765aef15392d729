"""Tests of cyclic schedules: cycles that fill a training, and what is kept of them."""

import math

import pytest

from vogn_app.optim.cyclic import (
    Cycle,
    cosine_factor,
    cycle_at,
    cycles_for,
    cycles_of,
    explores,
    kept_steps,
)

PLANS = [(1, 1), (7, 3), (12, 4), (100, 7), (3, 5)]


def test_cycles_by_hand():
    assert cycles_of(7, 3) == (Cycle(0, 2), Cycle(2, 4), Cycle(4, 7))
    assert cycles_of(2, 5) == (Cycle(0, 1), Cycle(1, 2))


def test_automatic_cycles_are_as_many_as_are_long_enough():
    found = [cycles_for("auto", n, most=4, shortest=200) for n in (1, 399, 400, 10**6)]
    assert found == [1, 1, 2, 4]
    assert cycles_for(7, 10, most=4, shortest=200) == 7


@pytest.mark.parametrize(
    ("cycles", "message"),
    [
        (0, r"cycles must be a whole number >= 1, got 0\."),
        ("many", r"cycles must be a whole number >= 1 or 'auto', got 'many'\."),
    ],
)
def test_wrong_cycles_are_named(cycles, message):
    with pytest.raises(ValueError, match=message):
        cycles_for(cycles, 10, most=4, shortest=200)


@pytest.mark.parametrize(("num_steps", "num_cycles"), PLANS)
def test_cycles_fill_a_training_and_differ_by_a_step(num_steps, num_cycles):
    cycles = cycles_of(num_steps, num_cycles)
    lengths = {cycle.last - cycle.first for cycle in cycles}
    assert len(cycles) == min(num_steps, num_cycles)
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 1
    steps = [step for cycle in cycles for step in range(cycle.first, cycle.last)]
    assert steps == list(range(num_steps))


@pytest.mark.parametrize(("num_steps", "num_cycles"), PLANS)
def test_every_step_has_its_cycle(num_steps, num_cycles):
    for cycle in cycles_of(num_steps, num_cycles):
        for step in range(cycle.first, cycle.last):
            assert cycle_at(step, num_steps, num_cycles) == cycle
    assert cycle_at(num_steps, num_steps, num_cycles) is None


def test_the_factor_is_the_papers_where_cycles_divide_the_training():
    for step in range(100):
        progress = (step % math.ceil(100 / 5)) / math.ceil(100 / 5)
        expected = (math.cos(math.pi * progress) + 1) / 2
        assert cosine_factor(step, 100, 5) == pytest.approx(expected, abs=1e-15)
    assert [cosine_factor(step, 100, 5) for step in (0, 20, 80)] == [1, 1, 1]
    assert [cosine_factor(step, 100, 5) for step in (100, 1000)] == [0, 0]


def test_exploration_is_the_beginning_of_each_cycle():
    silent = [step for step in range(25) if explores(step, 20, 2, 0.35)]
    assert silent == [0, 1, 2, 3, 10, 11, 12, 13]
    assert not any(explores(step, 20, 2, 0.0) for step in range(25))


def test_the_last_step_of_a_cycle_is_never_explored():
    assert [explores(step, 4, 2, 0.99) for step in range(4)] == [True, False] * 2


def test_kept_steps_are_spread_over_what_follows_the_exploration():
    assert kept_steps(20, 2, 4, 0.35) == (7, 10, 17, 20)
    assert kept_steps(10, 1, 5) == (2, 4, 6, 8, 10)


def test_a_snapshot_is_the_end_of_a_cycle():
    for num_steps, num_cycles in PLANS:
        ends = tuple(cycle.last for cycle in cycles_of(num_steps, num_cycles))
        assert kept_steps(num_steps, num_cycles, num_cycles) == ends


@pytest.mark.parametrize("num_kept", [1, 2, 3, 5, 6])
def test_as_many_are_kept_as_asked_for_alike_in_all_cycles(num_kept):
    kept = kept_steps(40, 4, num_kept, 0.5)
    assert len(kept) == num_kept
    assert kept[-1] == 40
    counts = [sum(10 * c < step <= 10 * c + 10 for step in kept) for c in range(4)]
    assert max(counts) - min(counts) <= 1
    assert not any(explores(step - 1, 40, 4, 0.5) for step in kept)


def test_where_steps_are_few_each_is_kept_once():
    assert kept_steps(4, 2, 20, 0.5) == (2, 4)
    assert kept_steps(3, 5, 20) == (1, 2, 3)
