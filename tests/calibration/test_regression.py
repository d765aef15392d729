"""Measures of regression: scipy, hand, honest and dishonest models, contracts."""

import re

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import root_mean_squared_error

from calibration.distributions import Empirical, Gaussian, GaussianMixture
from calibration.intervals import mean, wilson_interval
from calibration.regression import (
    crps,
    interval_coverage,
    interval_width,
    quantile_calibration,
    quantile_calibration_error,
    regression_nll,
    regression_sharpness,
    root_mean_square_error,
)
from tests.calibration.forecasts import (
    DEVIATION,
    HONEST,
    MEAN,
    TARGETS,
    N,
    of_factor,
)

RNG = np.random.default_rng(5)
SCORES = [regression_nll, crps, root_mean_square_error, interval_coverage]
SCORES += [quantile_calibration_error]
each_score = pytest.mark.parametrize("score", SCORES)


def test_scores_are_means_over_examples_with_students_interval():
    for score, values in (
        (regression_nll(HONEST, TARGETS), -stats.norm.logpdf(TARGETS, MEAN, DEVIATION)),
        (crps(HONEST, TARGETS), HONEST.crps(TARGETS)),
        (regression_sharpness(HONEST), DEVIATION),
        (interval_width(HONEST), 2 * stats.norm.ppf(0.975) * DEVIATION),
    ):
        expected = mean(values, (-np.inf, np.inf))
        assert score == pytest.approx(expected, rel=1e-12)
        assert (score.low, score.high) == pytest.approx((expected.low, expected.high))
        assert (score.count, score.method) == (N, "Student t")


def test_root_mean_square_error_is_that_of_scikit_learn():
    error = root_mean_square_error(HONEST, TARGETS)
    assert error == pytest.approx(root_mean_squared_error(TARGETS, MEAN), rel=1e-12)
    assert error.low < error < error.high
    assert error.method == "bootstrap"


def test_the_interval_of_the_root_has_the_width_of_the_delta_method():
    """The root's standard error is that of the mean square over twice the root.

    The bootstrap's ends are within 15 %; see tests of intervals.
    """
    squares = (TARGETS - MEAN) ** 2
    error = root_mean_square_error(HONEST, TARGETS)
    half = 1.96 * squares.std() / np.sqrt(N) / (2 * error)
    assert (error.high - error.low) / 2 == pytest.approx(half, rel=0.15)


def test_coverage_of_four_targets_by_hand():
    # The central half of a normal reaches 0.674 deviations to each side.
    predicted = Gaussian([0.0] * 4, [1.0, 1.0, 2.0, 2.0])
    coverage = interval_coverage(predicted, [0.6, -0.7, 1.3, -9.0], level=0.5)
    assert coverage == 0.5
    assert (coverage.low, coverage.high) == pytest.approx(wilson_interval(2, 4))
    width = interval_width(predicted, level=0.5)
    assert width == pytest.approx(2 * stats.norm.ppf(0.75) * 1.5)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
@pytest.mark.parametrize(
    "distribution",
    [
        HONEST,
        GaussianMixture(RNG.normal(size=(4, N)), np.exp(RNG.normal(size=(4, N)))),
        Empirical(RNG.normal(size=(50, N))),
    ],
    ids=lambda each: type(each).__name__,
)
def test_coverage_counts_targets_between_quantiles(distribution, level):
    low, high = (distribution.quantile((1 + sign * level) / 2) for sign in (-1, 1))
    inside = np.mean((low <= TARGETS) & (high >= TARGETS))
    assert interval_coverage(distribution, TARGETS, level=level) == inside
    width = interval_width(distribution, level=level)
    assert width == pytest.approx(np.mean(high - low))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_coverage_is_that_of_theory(factor):
    """Of N = 20,000 a fraction has an error of at most 0.0035; four of them."""
    predicted, targets = of_factor(factor)
    for level in (0.5, 0.95):
        reach = factor * stats.norm.ppf((1 + level) / 2)
        expected = 2 * stats.norm.cdf(reach) - 1
        found = interval_coverage(predicted, targets, level=level)
        assert found == pytest.approx(expected, abs=0.0142)


@each_score
def test_a_mixture_of_the_same_scores_the_same(score):
    mixture = GaussianMixture(np.tile(MEAN, (3, 1)), np.tile(DEVIATION, (3, 1)))
    assert score(mixture, TARGETS) == pytest.approx(score(HONEST, TARGETS), rel=1e-9)


@pytest.mark.parametrize("score", SCORES[1:])
def test_many_draws_score_nearly_as_their_distribution(score):
    """500 draws err by 1/sqrt(500) = 4.5 % of a deviation, less in the mean over N."""
    draws = np.random.default_rng(2).normal(MEAN, DEVIATION, size=(500, N))
    exact = score(HONEST, TARGETS)
    assert score(Empirical(draws), TARGETS) == pytest.approx(exact, abs=0.02)


@each_score
def test_clusters_widen_the_interval(score):
    """Copies say nothing new: five of each example, and clusters know it."""
    fives = Gaussian(np.repeat(MEAN, 5), np.repeat(DEVIATION, 5))
    targets, groups = np.repeat(TARGETS, 5), np.repeat(np.arange(N), 5)
    clustered = score(fives, targets, groups=groups)
    naive = score(fives, targets)
    once = score(HONEST, TARGETS)
    assert clustered == pytest.approx(once, rel=1e-12)
    width = clustered.high - clustered.low
    assert width == pytest.approx(once.high - once.low, rel=0.05)  # Wilson, Student
    assert width > 1.5 * (naive.high - naive.low)


def test_clusters_of_predictions_alone():
    groups = np.arange(N) // 4
    for measure in (regression_sharpness, interval_width):
        assert measure(HONEST, groups=groups) == pytest.approx(measure(HONEST))
        assert measure(HONEST, groups=groups).low != measure(HONEST).low
    curve = quantile_calibration(HONEST, TARGETS, groups=groups)
    assert curve.method == "Wilson"
    assert np.all((curve.low <= curve.observed) & (curve.observed <= curve.high))


@each_score
def test_one_example_has_a_finite_score_and_a_wide_interval(score):
    estimate = score(Gaussian([0.0], [1.0]), [0.3])
    assert np.all(np.isfinite([estimate, estimate.low, estimate.high]))
    assert estimate.high - estimate.low >= 0.5
    assert estimate.count == 1


@each_score
def test_order_of_examples_does_not_matter_to_the_value(score):
    order = np.random.default_rng(3).permutation(N)
    shuffled = score(Gaussian(MEAN[order], DEVIATION[order]), TARGETS[order])
    assert shuffled == pytest.approx(score(HONEST, TARGETS), rel=1e-12)


@each_score
def test_bad_targets_are_refused(score):
    with pytest.raises(ValueError, match=re.escape("got nan at targets[2]")):
        score(HONEST, np.where(np.arange(N) == 2, np.nan, TARGETS))


def test_bad_settings_are_refused():
    for measure in (quantile_calibration, quantile_calibration_error):
        with pytest.raises(ValueError, match="num_levels must be an integer of at le"):
            measure(HONEST, TARGETS, num_levels=0)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        interval_coverage(HONEST, TARGETS, level=95)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 1"):
        interval_width(HONEST, level=1)
    with pytest.raises(ValueError, match="must have a density"):
        regression_nll(Empirical(np.zeros((3, N))), TARGETS)


def test_honesty_pays():
    """Both scores are proper: in the mean, the true deviation beats all others."""
    for score in (regression_nll, crps):
        values = [float(score(*of_factor(f))) for f in (0.5, 0.8, 1.0, 1.25, 2.0)]
        assert min(values) == values[2]
