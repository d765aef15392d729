"""Regression: does what is promised below each quantile come true as often?

*Papers*: Dawid (1984), JRSS A 147:278 (the probability integral transform); Kuleshov et
al. (2018), arXiv:1807.00263, eqs. 7-9 (calibration of quantiles).

*Symbols*: F_i predicted distribution function, y_i target, p_j = j / (L + 1) levels::

    PIT          F_i(y_i)                    uniform on 0..1 where F_i is right
    observed_j   mean_i [F_i(y_i) <= p_j]    how often targets fell below quantile p_j
    error        mean_j |observed_j - p_j|   0 is best, at most 1/2

*Departure*: the error is a mean of absolute gaps, as ECE is, in the unit of the levels;
eq. 9 of Kuleshov et al. sums their squares.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._binned import mean_gap
from calibration._checks import check_at_least_one
from calibration._distances import distance
from calibration.bootstrap import deal, sums_by_group
from calibration.distributions import PredictiveDistribution
from calibration.estimate import Estimate
from calibration.intervals import proportion


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantileCalibration:
    """Promised against observed frequencies of targets below L quantiles.

    Args:
        expected: Levels of the quantiles, increasing, between 0 and 1, ``[L]``.
        observed: Fraction of targets at or below each, in 0..1, ``[L]``.
        low: Lower end of the 95 % interval of the fraction, ``[L]``.
        high: Upper end, ``[L]``.
        num_examples: N.
        method: How the intervals were found.
    """

    expected: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    num_examples: int
    method: str


def quantile_calibration(
    distribution: PredictiveDistribution,
    targets: ArrayLike,
    *,
    num_levels: int = 19,
    groups: ArrayLike | None = None,
) -> QuantileCalibration:
    """Measure the curve of observed against promised frequencies.

    Args:
        distribution: The predictions.
        targets: True values, ``[N]``.
        num_levels: L, at least 1; the usual 19 are 5 %, 10 %, ..., 95 %.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals`.

    Returns:
        The curve: flatter than the diagonal where deviations are too small (the model
        is overconfident), steeper in the middle where too large, and to one side where
        means are biased.
    """
    levels = _levels(num_levels)
    transform = distribution.cdf(targets)
    points = [proportion(transform <= level, groups) for level in levels]
    return QuantileCalibration(
        expected=levels,
        observed=np.array(points, dtype=np.float64),
        low=np.array([point.low for point in points]),
        high=np.array([point.high for point in points]),
        num_examples=len(transform),
        method=points[0].method,
    )


def quantile_calibration_error(
    distribution: PredictiveDistribution,
    targets: ArrayLike,
    *,
    num_levels: int = 19,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Estimate the mean gap between promised and observed frequencies.

    With few examples it is biased upwards, as ECE is: of a perfect model it is about
    ``0.31 / sqrt(N)``. Its interval holds the error of endless examples, 0 included
    (`calibration._distances`).

    Args:
        distribution: The predictions.
        targets: True values, ``[N]``.
        num_levels: L, at least 1.
        groups: Cluster of each example, ``[N]``; clusters are resampled as a whole.

    Returns:
        A fraction in 0..1/2: 0 is best, and 1/2 means that all targets lie above, or
        all below, what was predicted.
    """
    levels = _levels(num_levels)
    transform = distribution.cdf(targets)
    cells = np.searchsorted(levels, transform, side="left")
    group = deal(len(transform), groups)
    below = sums_by_group(group, cells, len(levels) + 1, None)[..., 0].cumsum(axis=-1)
    # Every level is a cell that holds all examples, and so has a gap of its own.
    count = np.broadcast_to(below[:, -1:], below[:, :-1].shape)
    sums = np.stack([count, below[:, :-1] - count * levels], axis=-1)
    found = distance(sums, mean_gap)
    return found.estimate(len(transform), found.value, 0.5)


def _levels(num_levels: int) -> NDArray[np.float64]:
    """Levels that cut 0..1 into equal parts, its ends left out, ``[L]``."""
    num_levels = check_at_least_one(num_levels, "num_levels")
    return np.arange(1, num_levels + 1) / (num_levels + 1)
