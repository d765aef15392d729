"""A normal distribution for each example, and the closed forms of normals.

*Papers*: Gneiting and Raftery (2007), JASA 102:359, section 4.2 (the CRPS).
"""

from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, ndtr, ndtri

from calibration.distributions.base import (
    Floats,
    PredictiveDistribution,
    check_deviations,
    check_numbers,
)

_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))


@final
class Gaussian(PredictiveDistribution):
    """A normal distribution for each example.

    Args:
        mean: Means, in the unit of the targets, ``[N]``.
        deviation: Standard deviations (neither variances nor logarithms), above 0,
            ``[N]``.

    Raises:
        ValueError: If shapes disagree, a number is not finite, or a deviation is not
            above 0.
    """

    def __init__(self, mean: ArrayLike, deviation: ArrayLike) -> None:
        self._means = check_numbers(mean, 1, "mean").astype(np.float64)
        checked = check_deviations(deviation, self._means.shape, "deviation")
        self._deviations = checked.astype(np.float64)
        self.num_examples = len(self._means)

    def _mean(self) -> Floats:
        return self._means

    def _deviation(self) -> Floats:
        return self._deviations

    def _log_density(self, targets: Floats) -> Floats:
        return log_normal(targets - self._means, self._deviations)

    def _cdf(self, targets: Floats) -> Floats:
        probability: Floats = ndtr((targets - self._means) / self._deviations)
        return probability

    def _crps(self, targets: Floats) -> Floats:
        # The difference of two draws deviates sqrt(2) times as much as one.
        spread = self._deviations / np.sqrt(np.pi)
        score: Floats = mean_size(targets - self._means, self._deviations) - spread
        return score

    def _quantile(self, level: float) -> Floats:
        value: Floats = self._means + ndtri(level) * self._deviations
        return value


def log_normal(error: Floats, deviation: Floats) -> Floats:
    """Return the logarithm of a normal density.

    Args:
        error: Distance from the mean.
        deviation: Standard deviation, above 0.

    Returns:
        Nats, of the arguments' shape.
    """
    squares: Floats = (error / deviation) ** 2
    return -0.5 * squares - np.log(deviation) - _HALF_LOG_2PI


def mean_size(mean: Floats, deviation: Floats) -> Floats:
    """Return E|X| of a normal X.

    Args:
        mean: Mean of X.
        deviation: Its standard deviation, above 0.

    Returns:
        ``2 s phi(m / s) + m (2 Phi(m / s) - 1)``, of the arguments' shape; the A of
        Grimit et al. (2006), which takes the variance.
    """
    score = mean / deviation
    density = np.sqrt(2 / np.pi) * np.exp(-0.5 * score**2)
    size: Floats = deviation * density + mean * erf(score / np.sqrt(2))
    return size
