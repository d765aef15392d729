"""Gaussians against scipy, quadrature and closed forms."""

import numpy as np
import pytest
from scipy import stats

from calibration.distributions import Gaussian
from calibration.distributions.gaussian import mean_size
from tests.calibration.distributions.oracles import crps_by_quadrature

RNG = np.random.default_rng(0)
MEAN, DEVIATION = RNG.normal(size=200), np.exp(RNG.normal(size=200))
TARGETS = MEAN + 3 * DEVIATION * RNG.normal(size=200)
PREDICTED = Gaussian(MEAN, DEVIATION)
TRUE = stats.norm(MEAN, DEVIATION)


def test_densities_probabilities_and_quantiles_are_those_of_scipy():
    np.testing.assert_allclose(PREDICTED.log_density(TARGETS), TRUE.logpdf(TARGETS))
    np.testing.assert_allclose(PREDICTED.cdf(TARGETS), TRUE.cdf(TARGETS))
    np.testing.assert_allclose(PREDICTED.quantile(0.05), TRUE.ppf(0.05))
    assert PREDICTED.mean.tolist() == MEAN.tolist()
    assert PREDICTED.deviation.tolist() == DEVIATION.tolist()


@pytest.mark.parametrize("example", range(6))
def test_crps_is_the_integral(example):
    mean, deviation, target = MEAN[example], DEVIATION[example], TARGETS[example]
    cdf = stats.norm(mean, deviation).cdf
    ends = (min(mean - 9 * deviation, target), max(mean + 9 * deviation, target))
    expected = crps_by_quadrature(cdf, target, *ends)
    assert PREDICTED.crps(TARGETS)[example] == pytest.approx(expected, rel=1e-8)


def test_crps_at_the_mean_is_known():
    # (sqrt 2 - 1) / sqrt pi deviations, by the closed form.
    crps = Gaussian([5.0], [3.0]).crps([5.0])
    assert crps[0] == pytest.approx(3 * (np.sqrt(2) - 1) / np.sqrt(np.pi))


def test_crps_of_a_sure_prediction_is_the_absolute_error():
    crps = Gaussian([1.0, 1.0], [1e-12, 1e-12]).crps([3.0, -4.0])
    assert crps.tolist() == pytest.approx([2.0, 5.0])


def test_scores_change_with_the_unit_as_they_should():
    thousand = Gaussian(1000 * MEAN, 1000 * DEVIATION)
    np.testing.assert_allclose(
        thousand.crps(1000 * TARGETS), 1000 * PREDICTED.crps(TARGETS)
    )
    np.testing.assert_allclose(
        thousand.log_density(1000 * TARGETS) + np.log(1000),
        PREDICTED.log_density(TARGETS),
    )


def test_the_mean_size_is_that_of_draws():
    """Of 400,000 draws the mean has an error of deviation / 632; 5 of those here."""
    draws = np.abs(np.random.default_rng(1).normal(1.5, 2.0, size=400_000))
    size = mean_size(np.array(1.5), np.array(2.0))
    assert size == pytest.approx(draws.mean(), abs=5 * draws.std() / 632)
    assert mean_size(np.array(-1.5), np.array(2.0)) == size
