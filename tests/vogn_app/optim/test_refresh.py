"""When statistics are refreshed: fixed intervals and the adaptive rule."""

import itertools

import pytest

from vogn_app.optim.refresh import (
    PATIENCE,
    Adaptive,
    Fixed,
    interval_at,
    next_interval,
)

A, B = ("a", "inputs"), ("a", "outputs")


def steps_of(plan, num, verdict=lambda step: (True, True), key=A):
    """Steps at which a plan refreshes a statistic."""
    found = []
    for step in range(num):
        if key in plan.due([key], step):
            found.append(step)
            near, near_before = verdict(step)
            # There are two earlier ones from the third refresh on.
            plan.refreshed(key, step, near, near_before and len(found) > 2)
    return found


def gaps(steps):
    return [b - a for a, b in itertools.pairwise(steps)]


# --- fixed -------------------------------------------------------------------------


def test_a_fixed_interval_is_kept():
    assert steps_of(Fixed(3), 10) == [0, 3, 6, 9]
    assert steps_of(Fixed(1), 4) == [0, 1, 2, 3]


def test_an_interval_may_be_a_function_of_the_step():
    plan = Fixed(lambda step: 1 if step < 3 else 4)
    assert steps_of(plan, 12) == [0, 1, 2, 3, 7, 11]
    assert plan.mean_interval(0) == 1.0
    assert plan.mean_interval(9) == 4.0


def test_a_statistic_that_was_not_refreshed_stays_due():
    plan = Fixed(5)
    assert plan.due([A, B], 0) == {A, B}
    plan.refreshed(A, 0, near=False, near_before=False)
    assert plan.due([A, B], 1) == {B}
    plan.refreshed(B, 2, near=False, near_before=False)
    assert plan.due([A, B], 5) == {A}
    assert plan.due([A, B], 7) == {A, B}


@pytest.mark.parametrize("make", [lambda: Fixed(10), lambda: Adaptive(0.1)])
def test_what_takes_no_part_is_due_again_at_the_next_step(make):
    plan = make()
    for step in range(PATIENCE - 1):
        assert plan.due([A], step) == {A}
        plan.missed([A], step)
    plan.refreshed(A, PATIENCE, near=False, near_before=False)
    assert A not in plan.due([A], PATIENCE)


def tries(plan, used, steps):
    """Steps at which a statistic is due, until one at which it takes part."""
    found = []
    for step in range(steps):
        if A in plan.due([A], step):
            found.append(step)
            if used(step):
                return found
            plan.missed([A], step)
    return found


def test_what_never_takes_part_is_due_as_often_as_others():
    assert len(tries(Fixed(10), lambda step: False, 5050)) == 505
    assert tries(Fixed(1), lambda step: False, 500) == list(range(500))


@pytest.mark.parametrize("period", [2, 3, 5, 10, 125])
@pytest.mark.parametrize("interval", [1, 2, 7, 10])
def test_what_takes_part_in_turn_is_met_however_late(interval, period):
    for phase in range(period):
        used = lambda step, at=phase: step % period == at and step >= 1000  # noqa: E731
        assert used(tries(Fixed(interval), used, 6000)[-1])


def test_intervals_are_those_of_the_plan_again_once_it_takes_part():
    plan = Fixed(10)
    for step in range(3):
        plan.missed([A], step)
    plan.refreshed(A, 3, near=False, near_before=False)
    assert next(step for step in range(4, 30) if A in plan.due([A], step)) == 13
    plan.missed([A], 13)
    assert A in plan.due([A], 14)


def test_misses_are_part_of_the_state():
    one, other = Fixed(10), Fixed(10)
    for step in range(PATIENCE - 1):
        one.missed([A], step)
    other.load_state_dict(one.state_dict())
    for plan in (one, other):
        plan.missed([A], PATIENCE - 1)
    assert one.state_dict() == other.state_dict()
    assert A not in other.due([A], PATIENCE)


@pytest.mark.parametrize("interval", [0, -1, 1.5, "2", lambda step: 0, True])
def test_a_wrong_interval_is_named(interval):
    with pytest.raises(ValueError, match=r"^factor_interval must be "):
        Fixed(interval)


def test_a_function_that_turns_wrong_is_named_when_it_does():
    plan = Fixed(lambda step: 2 - step)
    plan.refreshed(A, 0, near=False, near_before=False)
    with pytest.raises(ValueError, match=r"^factor_interval must be .*, got 0"):
        plan.refreshed(A, 2, near=False, near_before=False)


def test_intervals_are_checked_by_name():
    assert interval_at("x", lambda step: step + 1, 3) == 4
    with pytest.raises(ValueError, match=r"^x must be "):
        interval_at("x", 0, 3)


# --- adaptive ----------------------------------------------------------------------


def test_what_never_changes_is_refreshed_ever_more_rarely():
    assert gaps(steps_of(Adaptive(0.1), 60)) == [1, 1, 2, 3, 5, 8, 13, 21]


def test_what_always_changes_is_refreshed_at_every_step():
    assert steps_of(Adaptive(0.1), 6, lambda step: (False, False)) == list(range(6))


def test_a_change_halves_the_interval():
    changed = {12: (False, False), 14: (False, False)}
    steps = steps_of(Adaptive(0.1), 30, lambda step: changed.get(step, (True, True)))
    # Refreshes at 0, 1, 2, 4, 7, 12; then 5 // 2, and 2 // 2, and up again.
    assert steps[:8] == [0, 1, 2, 4, 7, 12, 14, 15]
    assert gaps(steps[7:]) == [3, 4, 7]


def test_near_the_last_one_alone_keeps_the_interval():
    def verdict(step):
        return (True, step != 7)

    assert gaps(steps_of(Adaptive(0.1), 22, verdict)) == [1, 1, 2, 3, 3, 6]


@pytest.mark.parametrize(
    ("last", "before", "near", "near_before", "expected"),
    [
        (1, 1, False, False, 1), (2, 1, False, True, 1), (9, 5, False, False, 4),
        (5, 3, True, False, 5), (5, 3, True, True, 8), (1, 1, True, True, 2),
    ],
)  # fmt: skip
def test_the_rule(last, before, near, near_before, expected):
    assert next_interval(last, before, near, near_before) == expected


def test_each_statistic_has_an_interval_of_its_own():
    plan = Adaptive(0.1)
    for step in range(5):
        for key in plan.due([A, B], step):
            plan.refreshed(key, step, key == A, key == A and step > 1)
    assert plan.due([A, B], 5) == {B}
    assert plan.mean_interval(5) == (3 + 1) / 2


def test_staleness_is_checked_and_told():
    assert Adaptive(0.2).staleness == 0.2
    assert Fixed(1).staleness is None
    assert Adaptive(0.2).mean_interval(0) == 1.0
    with pytest.raises(ValueError, match=r"^staleness must be "):
        Adaptive(-0.1)


@pytest.mark.parametrize("make", [lambda: Fixed(4), lambda: Adaptive(0.1)])
@pytest.mark.parametrize("num", [1, 3, 9])
def test_a_plan_goes_on_from_its_state(make, num):
    whole = steps_of(make(), 40)
    first, second = make(), make()
    before = steps_of(first, num)
    second.load_state_dict(first.state_dict())
    after = []
    for step in range(num, 40):
        if A in second.due([A], step):
            after.append(step)
            number = len(before) + len(after)
            second.refreshed(A, step, near=True, near_before=number > 2)
    assert before + after == whole
