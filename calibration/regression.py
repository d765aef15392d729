"""Regression: are predicted means close, and are predicted deviations honest?

Each measure takes a distribution (`Gaussian(mean, deviation)`, `GaussianMixture(means,
deviations)` or `Empirical(draws)` of `calibration.distributions`) and targets ``[N]``.

*Papers*: Gneiting and Raftery (2007), JASA 102:359 (NLL and CRPS, both proper); Dawid
(1984), JRSS A 147:278 (the probability integral transform); Gneiting et al. (2007),
JRSS B 69:243 (sharpness, subject to calibration). The curve of observed against
promised frequencies is that of `calibration.quantiles`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.bootstrap import deal, resampled, sums_by_group
from calibration.distributions import LARGEST, PredictiveDistribution
from calibration.distributions.base import check_level
from calibration.estimate import COVERAGE, Estimate
from calibration.intervals import mean, proportion
from calibration.quantiles import (
    QuantileCalibration,
    quantile_calibration,
    quantile_calibration_error,
)

__all__ = [
    "QuantileCalibration",
    "crps",
    "interval_coverage",
    "interval_width",
    "quantile_calibration",
    "quantile_calibration_error",
    "regression_nll",
    "regression_sharpness",
    "root_mean_square_error",
]

# Most that a score can be with numbers up to `LARGEST`: ends of what one example says.
_LARGEST_SCORE = 2 * LARGEST
_NLL_BOUNDS = (-np.log(LARGEST), _LARGEST_SCORE**2 * LARGEST**2)
_SCORE_BOUNDS = (0.0, _LARGEST_SCORE)


def regression_nll(
    distribution: PredictiveDistribution,
    targets: ArrayLike,
    *,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Estimate the mean of -log density(target), in nats.

    Densities have a unit: targets measured in another one, a thousand times as small,
    have a score larger by log 1000.

    Args:
        distribution: The predictions.
        targets: True values, ``[N]``.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals.mean`.

    Returns:
        Nats per example, of either sign; lower is better.

    Raises:
        ValueError: If targets are bad, or the distribution has no density.
    """
    return mean(-distribution.log_density(targets), _NLL_BOUNDS, groups)


def crps(
    distribution: PredictiveDistribution,
    targets: ArrayLike,
    *,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Estimate the mean continuous ranked probability score.

    Args:
        distribution: The predictions.
        targets: True values, ``[N]``.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals.mean`.

    Returns:
        A distance in the unit of the targets, at least 0; lower is better. For point
        forecasts it is the mean absolute error.
    """
    return mean(distribution.crps(targets), _SCORE_BOUNDS, groups)


def root_mean_square_error(
    distribution: PredictiveDistribution,
    targets: ArrayLike,
    *,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Estimate the root of the mean squared error of the predicted means.

    Args:
        distribution: The predictions.
        targets: True values, ``[N]``.
        groups: Cluster of each example, ``[N]``; clusters are resampled as a whole.

    Returns:
        A distance in the unit of the targets, at least 0.
    """
    squares = (distribution.check_targets(targets) - distribution.mean) ** 2
    one_cell = np.zeros(len(squares), dtype=np.intp)
    sums = sums_by_group(deal(len(squares), groups), one_cell, 1, None, squares)

    def root(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        error: NDArray[np.float64] = np.sqrt(sums[..., 0, 1] / sums[..., 0, 0])
        return error

    return resampled(sums, root, len(squares), _SCORE_BOUNDS)


def interval_coverage(
    distribution: PredictiveDistribution,
    targets: ArrayLike,
    *,
    level: float = COVERAGE,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Estimate how often the central interval holds the target.

    Args:
        distribution: The predictions.
        targets: True values, ``[N]``.
        level: What the interval promises, between 0 and 1: it leaves out as much below
            as above, (1 - level) / 2 each.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals`.

    Returns:
        A fraction in 0..1: below the level the model is overconfident.
    """
    tail = (1 - check_level(level)) / 2
    transform = distribution.cdf(targets)
    return proportion((transform >= tail) & (transform <= 1 - tail), groups)


def interval_width(
    distribution: PredictiveDistribution,
    *,
    level: float = COVERAGE,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Estimate the mean width of the central interval.

    Args:
        distribution: The predictions.
        level: What the interval promises, between 0 and 1.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals.mean`.

    Returns:
        A distance in the unit of the targets; of two models with the coverage that
        they promise, the narrower one knows more.
    """
    tail = (1 - check_level(level)) / 2
    widths = distribution.quantile(1 - tail) - distribution.quantile(tail)
    return mean(widths, _SCORE_BOUNDS, groups)


def regression_sharpness(
    distribution: PredictiveDistribution, *, groups: ArrayLike | None = None
) -> Estimate:
    """Estimate the mean predicted standard deviation.

    Args:
        distribution: The predictions.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals.mean`.

    Returns:
        A distance in the unit of the targets, which says nothing of whether it is
        deserved.
    """
    return mean(distribution.deviation, _SCORE_BOUNDS, groups)
