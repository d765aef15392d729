"""Tests of `ui/components/series.py`."""

import pytest

from ui.components.series import (
    MAX_POINTS,
    column,
    last,
    rate,
    seconds_left,
    smoothed,
    thinned,
    unbroken,
    value,
)


def step(number, **values):
    return {"kind": "step", "step": number, **values}


def test_a_column_holds_the_rows_that_have_the_metric_with_gaps_for_null():
    rows = [
        step(0, loss=2),
        step(10, loss=None),
        step(20),
        {"kind": "epoch", "step": 20},
    ]
    assert column(rows, "step", "loss") == ([0, 10], [2.0, None])


def test_a_damaged_row_is_passed_over():
    rows = [{"kind": "step", "step": None, "loss": 1.0}, step(1, loss="high")]
    assert column(rows, "step", "loss") == ([1], [None])


@pytest.mark.parametrize(
    "given", [True, "1", None, [1], float("nan"), float("inf"), 10**400, {}]
)
def test_what_is_no_finite_number_is_a_gap(given):
    assert value(given) is None


def test_a_column_stands_where_it_is_asked_for():
    rows = [step(0, loss=2, epoch=0.5), step(10, loss=1)]
    place = {0.5: 7.0}
    found = column(rows, "step", "loss", lambda row: place.get(row.get("epoch")))
    assert found == ([7.0], [2.0])


def test_the_clock_goes_on_where_a_resumed_run_began_anew():
    told = [0.5, 4.0, None, 1.0, 3.0, 0.5]
    rows = [step(k, seconds=each) for k, each in enumerate(told)]
    seconds = [row["seconds"] for row in unbroken([*rows, step(9)]) if "seconds" in row]
    assert seconds == [0.5, 4.0, None, 5.0, 7.0, 7.5]
    assert unbroken([step(0, seconds=-1e200)])[0]["seconds"] == 0.0
    assert rows[3]["seconds"] == 1.0  # the rows of others are left as they are


def test_an_unbroken_clock_is_left_alone():
    rows = [step(k, seconds=float(k)) for k in range(4)]
    assert all(a is b for a, b in zip(unbroken(rows), rows, strict=True))


def test_the_last_number_is_found_behind_gaps():
    assert last([1.0, 2.0, None]) == 2.0
    assert last([None]) is None


def test_smoothing_keeps_a_constant_and_starts_unbiased():
    assert smoothed([3.0] * 5) == pytest.approx([3.0] * 5)
    assert smoothed([5.0, 1.0], 1.0) == pytest.approx([5.0, 5 - 4 / 1.2])


def test_a_loss_that_falls_fast_at_first_is_followed():
    loss = [1 / (1 + k / 20) for k in range(1000)]
    bold = smoothed(loss)
    assert max(mean - raw for mean, raw in zip(bold, loss, strict=True)) < 0.12
    assert all(mean < 1.3 * raw for mean, raw in zip(bold, loss, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.04])
def test_a_mean_over_less_than_one_value_changes_nothing(share):
    values = [5.0, None, 1.0, 0.1]
    assert smoothed(values, share) == values


def test_smoothing_leaves_gaps_and_goes_on_behind_them():
    result = smoothed([2.0, None, 2.0], 0.7)
    assert result[1] is None
    assert result[2] == pytest.approx(2.0)


def test_a_longer_run_is_smoothed_over_more_points():
    spike = [0.0] * 1000 + [1.0]
    assert last(smoothed(spike)) < 0.05
    assert last(smoothed(spike[-10:])) > 0.4


def test_short_series_are_not_thinned():
    assert thinned([1, 2], [0.5, None]) == ([1, 2], [0.5, None])


def test_thinning_keeps_ends_spikes_and_order():
    values = [1.0] * 50_000
    values[12_345], values[40_000] = 9.0, -9.0
    steps, kept = thinned(range(50_000), values)
    assert len(steps) <= MAX_POINTS
    assert (steps[0], steps[-1]) == (0, 49_999)
    assert (max(kept), min(kept)) == (9.0, -9.0)
    assert steps == sorted(steps)
    assert kept[steps.index(12_345)] == 9.0


def test_thinning_survives_gaps():
    steps, kept = thinned(range(5_000), [None] * 5_000)
    assert len(steps) <= MAX_POINTS
    assert set(kept) == {None}


def test_the_rate_is_the_newest_known():
    rows = [step(1, examples_per_second=10.0), step(2, examples_per_second=None)]
    assert rate(rows) == 10.0
    assert rate([]) is None


def test_time_left_goes_by_the_newer_half():
    slow_start = [step(0, seconds=0.0), step(10, seconds=100.0)]
    steady = [step(20 + 10 * k, seconds=101.0 + k) for k in range(4)]
    assert seconds_left(slow_start + steady, 50, 100) == pytest.approx(5.0)


def test_time_left_is_unknown_at_first_and_across_a_resume():
    assert seconds_left([step(0, seconds=0.0)], 0, 100) is None
    assert seconds_left([step(0, seconds=50.0), step(10, seconds=1.0)], 10, 20) is None
    assert seconds_left([step(0, seconds=0.0), step(5, seconds=1.0)], 5, 0) is None
