"""Sums of bins: what empty and small ones count, and clusters within them."""

import numpy as np
import pytest
from scipy import stats

from calibration._binned import (
    CLASSES_AT_ONCE,
    batches,
    binned_sums,
    debiased_squared_gap,
    effective_counts,
    expected_gaps,
    farthest_gap,
    nearest_gap,
    promised_gap,
    squared_gap,
    squared_noise,
)
from calibration.intervals import wilson_interval


def test_sums_are_those_of_each_group_and_bin():
    confidence, correct = np.array([0.2, 0.4, 0.9]), np.array([True, False, True])
    sums = binned_sums(
        np.array([0, 0, 1]), np.array([0, 0.5, 1.0]), confidence, correct
    )
    expected = [[[2, 0.6, -0.4], [0, 0, 0]], [[0, 0, 0], [1, 0.9, -0.1]]]
    np.testing.assert_allclose(sums, expected)


def test_formulas_leave_out_empty_bins_and_map_all_replicates_at_once():
    sums = np.array([[4, 3.2, 1.2], [0, 0, 0], [1, 0.9, 0.9]])
    for formula, expected in {
        squared_gap: (4 * 0.09 + 0.81) / 5,
        # Accuracy 1/2 of four; the one alone has no variance to take off.
        debiased_squared_gap: 4 * (0.09 - 0.25 / 3) / 5,
        promised_gap: (4 * 0.8 * 0.3 + 0.9 * 0.9) / 5,
    }.items():
        assert formula(sums) == pytest.approx(expected)
        np.testing.assert_allclose(formula(np.stack([sums, sums])), [expected] * 2)


def test_batches_hold_each_class_once():
    for count in (1, CLASSES_AT_ONCE, CLASSES_AT_ONCE + 1, 100):
        runs = list(batches(count))
        assert [c for run in runs for c in run] == list(range(count))
        assert max(map(len, runs)) <= CLASSES_AT_ONCE


def test_clusters_count_once_in_each_bin():
    bins = np.array([0, 0, 0, 0, 2, 2, 2, 2])
    # Two clusters of two, and one of three beside one alone: 16 / (9 + 1).
    cluster = np.array([0, 0, 1, 1, 0, 0, 0, 1])
    assert effective_counts(bins, cluster) == pytest.approx([2, 1.6])
    assert effective_counts(bins, np.arange(8)).tolist() == [4, 4]


def test_ends_of_the_largest_gap():
    confidence, accuracy = np.array([0.9, 0.6]), np.array([0.5, 0.6])
    count = np.array([40.0, 5.0])
    low, high = wilson_interval(accuracy * count, count)
    # The second bin has no gap, but few examples: it may have the largest.
    assert farthest_gap(confidence, accuracy, count) == max(0.9 - low[0], 0.6 - low[1])
    high = wilson_interval(20, 40, 1 - 0.025 / 2)[1]
    assert nearest_gap(confidence, accuracy, count) == pytest.approx(0.9 - high)
    assert nearest_gap(confidence[1:], accuracy[1:], count[1:]) == 0


@pytest.mark.parametrize(("trials", "p"), [(1, 0.1), (3, 0.5), (10, 0.02), (40, 0.9)])
@pytest.mark.parametrize("size", [1, 4])
def test_expected_gaps_are_mean_deviations_of_a_binomial(trials, p, size):
    count = trials * size
    sums = np.array([[[count, count * p, 0.0]]])
    hits = np.arange(trials + 1)
    deviation = np.abs(hits - trials * p) @ stats.binom.pmf(hits, trials, p)
    found = expected_gaps(sums, np.array([float(size)]))
    assert found == pytest.approx(size * deviation)


def test_expected_gaps_of_certain_bins_are_0():
    sums = np.array([[[5.0, 0.0, 0.0], [5.0, 5.0, 0.0]]])
    assert expected_gaps(sums, np.ones(2)) == pytest.approx([0, 0], abs=1e-12)


def test_squared_noise_is_the_variance_or_that_of_a_calibrated_model():
    """Cells of one member and of five; no spread but the variance is without bias."""
    excess = np.random.default_rng(0).normal(size=5)
    sums = np.zeros((5, 2, 2))
    sums[0, 0], sums[:, 1] = (1, 0.7), np.stack([np.ones(5), excess], -1)
    found = squared_noise(sums, np.ones(2), np.array([0.21, 9.0]))
    assert found == pytest.approx([0.21, 5 * excess.var(ddof=1)])
