"""Mixtures of Gaussians against scipy, quadrature, single Gaussians and draws."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from calibration.distributions import Gaussian, GaussianMixture, base
from tests.calibration.distributions.oracles import crps_by_quadrature

RNG = np.random.default_rng(0)
S, N = 5, 60
MEANS = RNG.normal(scale=2, size=(S, N))
DEVIATIONS = np.exp(RNG.normal(size=(S, N)))
TARGETS = RNG.normal(scale=4, size=N)
PREDICTED = GaussianMixture(MEANS, DEVIATIONS)
TRUE = stats.norm(MEANS, DEVIATIONS)


def test_densities_and_probabilities_are_those_of_the_components():
    expected = logsumexp(TRUE.logpdf(TARGETS), axis=0) - np.log(S)
    np.testing.assert_allclose(PREDICTED.log_density(TARGETS), expected)
    np.testing.assert_allclose(PREDICTED.cdf(TARGETS), TRUE.cdf(TARGETS).mean(axis=0))


def test_a_target_far_from_all_components_has_a_density():
    mixture = GaussianMixture([[0.0], [1.0]], [[1.0], [1.0]])
    expected = stats.norm.logpdf(499.0) - np.log(2)
    assert mixture.log_density([500.0])[0] == pytest.approx(expected)


def test_mean_and_deviation_are_those_of_draws():
    """Of n draws both have errors of about deviation / sqrt(n): 1/447, five of them."""
    rng, num = np.random.default_rng(1), 200_000
    chosen = rng.integers(S, size=num)
    draws = rng.normal(MEANS[chosen, 7], DEVIATIONS[chosen, 7])
    margin = 5 * draws.std() / 447
    assert PREDICTED.mean[7] == pytest.approx(draws.mean(), abs=margin)
    assert PREDICTED.deviation[7] == pytest.approx(draws.std(), abs=3 * margin)


@pytest.mark.parametrize("example", range(5))
def test_crps_is_the_integral(example):
    components = stats.norm(MEANS[:, example, None], DEVIATIONS[:, example, None])
    target, reach = TARGETS[example], 9 * DEVIATIONS[:, example].max()
    low = min(MEANS[:, example].min() - reach, target)
    high = max(MEANS[:, example].max() + reach, target)
    expected = crps_by_quadrature(
        lambda x: components.cdf(x).mean(axis=0), target, low, high, 100_001
    )
    assert PREDICTED.crps(TARGETS)[example] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("copies", [1, 4])
def test_equal_components_are_a_gaussian(copies):
    alone = Gaussian(MEANS[0], DEVIATIONS[0])
    mixture = GaussianMixture(
        np.tile(MEANS[:1], (copies, 1)), np.tile(DEVIATIONS[:1], (copies, 1))
    )
    for name in ("log_density", "cdf", "crps"):
        np.testing.assert_allclose(
            getattr(mixture, name)(TARGETS), getattr(alone, name)(TARGETS), rtol=1e-11
        )
    np.testing.assert_allclose(mixture.quantile(0.1), alone.quantile(0.1), rtol=1e-12)
    np.testing.assert_allclose(mixture.deviation, alone.deviation)


@pytest.mark.parametrize("level", [1e-9, 0.001, 0.025, 0.5, 0.9, 0.975, 1 - 1e-6])
@pytest.mark.parametrize("distance", [0.0, 1.0, 30.0])
def test_quantiles_invert_the_distribution_function(level, distance):
    rng = np.random.default_rng(2)
    means = distance * rng.normal(size=(16, 500))
    mixture = GaussianMixture(means, np.exp(rng.normal(size=(16, 500))))
    reached = mixture.cdf(mixture.quantile(level))
    np.testing.assert_allclose(reached, level, rtol=1e-12, atol=1e-13 * (level > 0.1))


def test_a_quantile_in_a_gap_between_components_lies_in_it():
    mixture = GaussianMixture([[-1e3], [1e3]], [[1.0], [1.0]])
    assert -990 < mixture.quantile(0.5)[0] < 990
    assert mixture.quantile(0.49)[0] == pytest.approx(-1e3 + stats.norm.ppf(0.98))
    assert mixture.quantile(0.51)[0] == pytest.approx(1e3 + stats.norm.ppf(0.02))


def test_quantiles_are_found_where_components_differ_a_billion_times():
    mixture = GaussianMixture([[0.0], [3.0]], [[1e-9], [1.0]])
    for level in (0.1, 0.4, 0.6, 0.9):
        x = mixture.quantile(level)
        assert mixture.cdf(x)[0] == pytest.approx(level, abs=1e-9)


def test_parts_do_not_show(monkeypatch):
    whole = [PREDICTED.crps(TARGETS), PREDICTED.quantile(0.2)]
    monkeypatch.setattr(base, "_BLOCK", 7 * S)
    again = [PREDICTED.crps(TARGETS), PREDICTED.quantile(0.2)]
    np.testing.assert_allclose(again, whole, rtol=1e-12)


def test_order_of_samples_does_not_matter():
    shuffled = GaussianMixture(MEANS[::-1], DEVIATIONS[::-1])
    for name in ("log_density", "cdf", "crps"):
        np.testing.assert_allclose(
            getattr(shuffled, name)(TARGETS), getattr(PREDICTED, name)(TARGETS)
        )
