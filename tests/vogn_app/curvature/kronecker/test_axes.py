"""Axes against enumerations of positions and taps."""

import itertools

import pytest

from vogn_app.curvature.kronecker.axes import Axis, Problem, prefers_windows

SETTINGS = list(
    itertools.product([1, 2, 5], [1, 2, 3], [1, 2, 4], [0, 1, 3])
)  # places, taps, apart, padding


def axis_of(places, taps, apart, padding):
    positions = places + 2 * padding - apart * (taps - 1)
    return Axis(places, taps, apart, range(-padding, max(0, positions) - padding))


def seen(axis, start):
    """Taps that meet the input when the first is at a place."""
    places = [start + axis.apart * tap for tap in range(axis.taps)]
    return [tap for tap, place in enumerate(places) if 0 <= place < axis.places]


@pytest.mark.parametrize("setting", SETTINGS)
def test_everywhere_is_wherever_a_tap_meets_the_input(setting):
    axis = axis_of(*setting)
    wide = range(-100, 100)
    meeting = [start for start in wide if seen(axis, start)]
    starts = axis.everywhere().starts
    assert set(meeting) <= set(starts)
    assert (starts[0], starts[-1]) == (meeting[0], meeting[-1])


@pytest.mark.parametrize("setting", SETTINGS)
def test_lacking_positions_are_those_that_the_layer_leaves_out(setting):
    axis = axis_of(*setting)
    expected = {
        start: seen(axis, start)
        for start in axis.everywhere().starts
        if start not in axis.starts and seen(axis, start)
    }
    together = list(axis.lacking())
    found = {start: list(taps) for alike in together for start, taps in alike}
    assert found == expected
    assert sum(map(len, together)) == len(expected)
    assert all(len({len(taps) for _, taps in alike}) == 1 for alike in together)


def test_nothing_lacks_everywhere():
    assert not list(axis_of(5, 3, 2, 0).everywhere().lacking())


def test_rims_and_the_layer_share_out_all_positions():
    axes = axis_of(4, 3, 1, 1), axis_of(5, 3, 2, 0), axis_of(3, 2, 1, 0)
    problem = Problem(1, 1, 1, axes)
    found = list(itertools.product(*(axis.starts for axis in axes)))
    for at, lacking, rim in problem.rims():
        for start, taps in lacking:
            assert rim.channels == len(taps)
            assert rim.blocks == len(lacking)
            others = itertools.product(*(axis.starts for axis in rim.axes))
            found += [(*other[:at], start, *other[at:]) for other in others]
    expected = set(itertools.product(*(axis.everywhere().starts for axis in axes)))
    assert len(found) == len(set(found))
    unseen = expected - set(found)
    assert set(found) <= expected
    assert all(
        any(not seen(axis, start) for axis, start in zip(axes, position, strict=True))
        for position in unseen
    )


def test_periods_keep_lags_from_the_other_end_and_have_small_factors():
    for places in range(1, 200):
        axis = axis_of(places, 3, 2, 0)
        rest = axis.period
        assert places + axis.reach <= rest <= 1.2 * (places + axis.reach) + 1
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        assert rest == 1


@pytest.mark.parametrize(
    ("problem", "windows"),
    [
        (Problem(64, 1, 16, (axis_of(32, 3, 1, 1),) * 2), False),
        (Problem(64, 1, 64, (axis_of(8, 3, 1, 1),) * 2), False),
        (Problem(64, 1, 64, (axis_of(8, 1, 1, 0),) * 2), True),
        (Problem(1, 1, 64, (axis_of(3, 3, 1, 0),) * 2), True),
        (Problem(2, 1, 1, (axis_of(6, 3, 1, 1),) * 2), True),
        (Problem(1, 1, 64, (axis_of(56, 3, 1, 1),) * 2), True),
        (Problem(128, 1, 1, (axis_of(28, 5, 1, 2),) * 2), False),
        (Problem(32, 96, 1, (axis_of(14, 5, 1, 2),) * 2), False),
        (Problem(64, 1, 16, ()), True),
    ],
    ids=[
        "resnet, first",
        "resnet, last",
        "pointwise",
        "one window",
        "tiny",
        "one example",
        "lenet",
        "depthwise",
        "numbers",
    ],
)
def test_windows_are_preferred_where_they_are_few_or_narrow(problem, windows):
    assert prefers_windows(problem) is windows
