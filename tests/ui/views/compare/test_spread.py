"""Tests of `ui/views/compare/spread.py`."""

import numpy as np
import pytest

from ui.views.compare.spread import by_place, interpolated, stacked


def test_means_and_deviations_are_numpys():
    values = np.random.default_rng(0).normal(size=(4, 7))
    band = by_place([(range(7), row.tolist()) for row in values])
    assert band.x.tolist() == list(range(7))
    assert band.mean == pytest.approx(values.mean(0))
    assert band.deviation == pytest.approx(values.std(0, ddof=1))
    assert band.low == pytest.approx(values.mean(0) - values.std(0, ddof=1))
    assert band.count.tolist() == [4] * 7


def test_a_run_that_is_not_as_far_counts_where_it_has_values():
    band = by_place([([1, 2, 3], [1.0, 2.0, 3.0]), ([1, 2], [3.0, 4.0])])
    assert band.count.tolist() == [2, 2, 1]
    assert band.mean.tolist() == [2.0, 3.0, 3.0]
    assert np.isnan(band.deviation).tolist() == [False, False, True]
    assert band.high[2] == band.mean[2]


def test_gaps_are_left_out_and_the_last_of_a_place_counts():
    band = by_place([([1, 2, 2], [1.0, 5.0, 7.0]), ([1, 2], [None, 9.0])])
    assert band.count.tolist() == [1, 2]
    assert band.mean.tolist() == [1.0, 8.0]
    empty = by_place([([1], [None])])
    assert np.isnan(empty.mean).all()


def test_times_meet_by_interpolation_where_all_runs_have_values():
    band = interpolated([([0, 10], [0.0, 10.0]), ([5, 20], [5.0, 20.0])], points=6)
    assert band.x.tolist() == [5, 6, 7, 8, 9, 10]
    assert band.mean == pytest.approx(band.x)
    assert band.deviation == pytest.approx(np.zeros(6))
    assert len(interpolated([([0, 1], [0.0, 1.0]), ([2, 3], [0.0, 1.0])]).x) == 0
    assert len(interpolated([([0], [None])]).x) == 0


def test_no_runs_make_no_band():
    assert len(by_place([]).x) == 0
    assert len(interpolated([]).x) == 0


def test_a_long_line_is_thinned_and_keeps_its_ends():
    band = stacked(np.arange(5000), np.zeros((2, 5000))).thinned(100)
    assert len(band.x) == 100
    assert (band.x[0], band.x[-1]) == (0, 4999)
    short = stacked(np.arange(3), np.zeros((1, 3)))
    assert short.thinned(100) is short
