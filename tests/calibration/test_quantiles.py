"""Curves of observed against promised frequencies, and their error."""

import numpy as np
import pytest
from scipy import stats

from calibration.distributions import Gaussian
from calibration.intervals import wilson_interval
from calibration.quantiles import quantile_calibration, quantile_calibration_error
from tests.calibration.forecasts import HONEST, TARGETS, N, of_factor


@pytest.mark.parametrize(("factor", "shift"), [(1, 0), (0.5, 0), (2, 0), (1, 1)])
def test_the_curve_is_that_of_theory(factor, shift):
    """P(F(y) <= p) = Phi(shift + factor z_p); bound as above."""
    curve = quantile_calibration(*of_factor(factor, shift))
    z = stats.norm.ppf(curve.expected)
    expected = stats.norm.cdf(shift + factor * z)
    np.testing.assert_allclose(curve.observed, expected, atol=0.0142)
    error = quantile_calibration_error(*of_factor(factor, shift))
    gap = np.abs(curve.observed - curve.expected).mean()
    assert error == pytest.approx(gap, rel=1e-12)
    assert error == pytest.approx(np.abs(expected - curve.expected).mean(), abs=0.0142)


def test_a_curve_has_levels_counts_and_wilsons_intervals():
    curve = quantile_calibration(HONEST, TARGETS, num_levels=3)
    assert curve.expected.tolist() == [0.25, 0.5, 0.75]
    transform = HONEST.cdf(TARGETS)
    hits = np.array([(transform <= level).sum() for level in curve.expected])
    assert curve.observed.tolist() == (hits / N).tolist()
    low, high = wilson_interval(hits, np.full(3, N))
    np.testing.assert_allclose([curve.low, curve.high], [low, high])
    assert (curve.num_examples, curve.method) == (N, "Wilson")
    assert len(quantile_calibration(HONEST, TARGETS).expected) == 19


def test_a_target_at_a_quantile_counts_as_below_it():
    predicted = Gaussian([0.0], [1.0])
    assert quantile_calibration(predicted, [0.0], num_levels=1).observed == [1.0]
    assert quantile_calibration_error(predicted, [0.0], num_levels=1) == 0.5


def test_the_error_of_a_right_model_is_its_sampling_noise():
    """The mean of sqrt(2 p (1 - p) / (pi N)) over levels is 0.31 / sqrt(N) = 0.0022.

    The gaps of all levels move together; none exceeds 1.95 / sqrt(N) in 999 of 1,000.
    """
    error = quantile_calibration_error(*of_factor(1.0))
    assert 0 < error < 1.95 / np.sqrt(20_000)
    assert error.low < 0.31 / np.sqrt(20_000)


def test_the_worst_error_is_a_half():
    predicted = Gaussian(np.zeros(50), np.ones(50))
    for targets in (np.full(50, 99.0), np.full(50, -99.0)):
        assert quantile_calibration_error(predicted, targets) == pytest.approx(0.5)


def test_intervals_of_the_error_cover_the_truth():
    """Of 200 sets 95 % cover, give or take 4 standard errors of 1.5 %.

    The true error of deviations half as large is known; N = 300 leaves little bias.
    """
    levels = np.arange(1, 20) / 20
    truth = np.abs(stats.norm.cdf(0.5 * stats.norm.ppf(levels)) - levels).mean()
    rng = np.random.default_rng(7)
    half = Gaussian(np.zeros(300), np.full(300, 0.5))
    found = [quantile_calibration_error(half, rng.normal(size=300)) for _ in range(200)]
    covered = np.mean([each.low <= truth <= each.high for each in found])
    assert covered >= 0.95 - 0.062


@pytest.mark.parametrize("cluster", [1, 10])
def test_a_right_model_may_have_no_error(cluster):
    """Of 100 sets 95 % cover, less two standard errors of 2.2 %."""
    rng = np.random.default_rng(5)
    right, groups = Gaussian(np.zeros(300), np.ones(300)), np.arange(300)
    groups = groups // cluster
    targets = [rng.normal(size=300 // cluster).repeat(cluster) for _ in range(100)]
    found = [quantile_calibration_error(right, y, groups=groups) for y in targets]
    assert np.mean([each.low == 0 for each in found]) >= 0.906
