"""Intervals in closed form: against scipy, clusters, bounds."""

import numpy as np
import pytest
from scipy import stats

from calibration.estimate import UNIT
from calibration.intervals import (
    beyond_normal,
    effective_size,
    mean,
    proportion,
    wilson_interval,
)

ENDLESS = (-np.inf, np.inf)


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (3, 7), (80, 100)])
def test_wilson_is_that_of_scipy(hits, count):
    low, high = wilson_interval(hits, count)
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_proportion_has_wilsons_interval():
    estimate = proportion([True] * 8 + [False] * 2)
    assert estimate == 0.8
    assert (estimate.low, estimate.high) == pytest.approx(wilson_interval(8, 10))
    assert (estimate.count, estimate.method) == (10, "Wilson")


def test_a_mean_has_students_interval():
    values = np.random.default_rng(0).normal(3, 2, size=12)
    estimate = mean(values, ENDLESS)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(expected), rel=1e-12)


def test_a_mean_stays_within_its_bounds_and_one_example_says_nothing_of_spread():
    estimate = mean([0.0, 0.0, 0.9], UNIT)
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    alone = mean([0.4], UNIT)
    assert (alone.low, alone.high, alone.count) == (0.0, 1.0, 1)
    same = mean([0.4, 0.4], UNIT)
    assert same.low == same.high == pytest.approx(0.4)


def test_clusters_count_once():
    """Copies of every example leave the interval of the originals, up to the t.

    Each value is there five times; over clusters the error is that of the originals.
    """
    values = np.random.default_rng(0).normal(size=50)
    once = mean(values, ENDLESS)
    copies = mean(np.repeat(values, 5), ENDLESS, np.repeat(np.arange(50), 5))
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high))
    naive = mean(np.repeat(values, 5), ENDLESS)
    assert naive.high - naive.low < 0.5 * (copies.high - copies.low)
    assert copies.count == 250


@pytest.mark.parametrize("alike", [True, False], ids=["alike", "independent"])
@pytest.mark.parametrize("truth", [0.95, 0.99])
@pytest.mark.parametrize("num_groups", [20, 100])
def test_proportions_of_clusters_near_1_cover_the_truth(num_groups, truth, alike):
    """Ten members a cluster, 300 sets; Student's interval covered down to 18 %.

    Wilson's own coverage of few trials is down to 91.6 % (100 trials, truth 0.99); less
    two standard errors of sqrt(.916 * .084 / 300) = 1.6 % leaves 88.4 %.
    """
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(num_groups), 10)
    shape = (300, num_groups, 1 if alike else 10)
    hits = np.broadcast_to(rng.random(shape) < truth, (300, num_groups, 10))
    found = [proportion(each.ravel(), groups) for each in hits]
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.884


def test_clusters_that_are_all_right_count_once_each():
    found = proportion(np.ones(200, dtype=bool), np.repeat(np.arange(20), 10))
    assert (found.low, found.high) == pytest.approx(wilson_interval(20, 20))


def test_independent_members_are_never_worth_more_than_they_are():
    """Clusters that are all 9 of 10 right vary less than chance; so do 8 and 10."""
    counts = np.full(20, 10)
    assert effective_size(np.full(20, 9), counts) == 20
    mixed = np.where(np.arange(20) % 2, 4, 6)
    assert effective_size(mixed, counts) == 200
    assert effective_size(np.array([3]), np.array([4])) == 0


def test_wilsons_interval_reaches_beyond_the_normal_one_where_nothing_varies():
    below, above = beyond_normal(1.0, 50)
    assert below == pytest.approx(1 - wilson_interval(50, 50)[0])
    assert above == 0
    assert beyond_normal(0.5, 50) == (0, 0)
    assert beyond_normal(0.7, 0) == pytest.approx((0.7, 0.3), abs=1)


def test_masked_values_are_refused():
    masked = np.ma.MaskedArray([0.1, 0.2], [True, False])
    with pytest.raises(ValueError, match="values must not be masked; drop the masked"):
        mean(masked, UNIT)
    with pytest.raises(ValueError, match="hits must not be masked"):
        proportion(np.ma.MaskedArray([True, True], [True, False]))
    assert mean(np.ma.MaskedArray([0.1, 0.3]), UNIT) == pytest.approx(0.2)
