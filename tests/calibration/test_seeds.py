"""Means over seeds, against scipy."""

import numpy as np
import pytest
from scipy import stats

from calibration.seeds import SeedSummary, mean_over_seeds


def test_a_mean_over_seeds_has_students_interval():
    values = [0.91, 0.93, 0.9, 0.94, 0.92]
    found = mean_over_seeds(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.deviation == pytest.approx(np.std(values, ddof=1))
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.count == 5


def test_one_seed_has_no_deviation_and_no_interval():
    expected = SeedSummary(mean=0.9, deviation=None, low=None, high=None, count=1)
    assert mean_over_seeds([0.9]) == expected


def test_equal_values_have_no_width():
    found = mean_over_seeds([0.5, 0.5])
    assert (found.deviation, found.low, found.high) == (0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], r"non-empty vector, got shape \(0,\)"),
        (0.5, r"non-empty vector, got shape \(\)"),
        ([[0.5]], r"got shape \(1, 1\)"),
        ([0.5, np.nan], r"finite, got nan at values\[1\]"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(values, text):
    with pytest.raises(ValueError, match=text):
        mean_over_seeds(values)


@pytest.mark.parametrize(
    "values", [["a", "b"], [True, False], [None, 1.0], [1j, 2.0], None]
)
def test_what_is_no_number_is_refused(values):
    with pytest.raises(ValueError, match="values must be real numbers"):
        mean_over_seeds(values)
