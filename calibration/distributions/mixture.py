"""A mixture of normal distributions for each example.

*Papers*: Grimit et al. (2006), QJRMS 132:2925, eq. 5 (the CRPS); Press et al. (2007),
Numerical Recipes, 3rd ed., section 9.4 (Newton's method kept inside a bracket).
"""

from collections.abc import Iterator
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from calibration.distributions.base import (
    Floats,
    PredictiveDistribution,
    check_deviations,
    check_numbers,
    parts,
)
from calibration.distributions.gaussian import log_normal, mean_size

_EPS = float(np.finfo(np.float64).eps)
_MOST_STEPS = 200  # of which about 10 are made; halving alone needs about 60


@final
class GaussianMixture(PredictiveDistribution):
    """An equal mixture of S normal distributions for each example.

    Args:
        means: Means of each posterior sample or member of an ensemble, ``[S, N]``.
        deviations: Their standard deviations, above 0, ``[S, N]``.

    Raises:
        ValueError: If shapes disagree, a number is not finite, or a deviation is not
            above 0.
    """

    def __init__(self, means: ArrayLike, deviations: ArrayLike) -> None:
        self._means = check_numbers(means, 2, "means")
        shape = self._means.shape
        self._deviations = check_deviations(deviations, shape, "deviations")
        self.num_samples, self.num_examples = shape

    def _mean(self) -> Floats:
        mean: Floats = self._means.mean(axis=0, dtype=np.float64)
        return mean

    def _deviation(self) -> Floats:
        variance = np.zeros(self.num_examples)
        for error, deviation in self._errors(self._mean()):
            variance += error**2 + deviation**2
        root: Floats = np.sqrt(variance / self.num_samples)
        return root

    def _log_density(self, targets: Floats) -> Floats:
        total = np.full(self.num_examples, -np.inf)
        for error, deviation in self._errors(targets):
            np.logaddexp(total, log_normal(error, deviation), out=total)
        density: Floats = total - np.log(self.num_samples)
        return density

    def _cdf(self, targets: Floats) -> Floats:
        total = np.zeros(self.num_examples)
        for error, deviation in self._errors(targets):
            total += ndtr(error / deviation)
        probability: Floats = total / self.num_samples
        return probability

    def _quantile(self, level: float) -> Floats:
        values = np.empty(self.num_examples)
        for part in parts(self.num_examples, self.num_samples):
            values[part] = _quantile(*self._block(part), level)
        return values

    def _crps(self, targets: Floats) -> Floats:
        scores = np.empty(self.num_examples)
        for part in parts(self.num_examples, self.num_samples):
            means, deviations = self._block(part)
            distance = mean_size(targets[part] - means, deviations).mean(axis=0)
            scores[part] = distance - _mean_distance(means, deviations) / 2
        return np.maximum(scores, 0.0)

    def _errors(self, targets: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Error and deviation of one sample after the other."""
        for mean, deviation in zip(self._means, self._deviations, strict=True):
            yield targets - mean, deviation.astype(np.float64)

    def _block(self, part: slice) -> tuple[Floats, Floats]:
        """Means and deviations of a part of the examples, in float64."""
        return (
            self._means[:, part].astype(np.float64),
            self._deviations[:, part].astype(np.float64),
        )


def _mean_distance(means: Floats, deviations: Floats) -> Floats:
    """E|X - X'| of two draws from a mixture, ``[S, N]`` to ``[N]``."""
    # Both draws from the same component, and then from each two components.
    total = 2 / np.sqrt(np.pi) * deviations.sum(axis=0)
    variances = deviations**2
    for s in range(1, len(means)):
        joint = np.sqrt(variances[s] + variances[:s])
        total += 2 * mean_size(means[s] - means[:s], joint).sum(axis=0)
    distance: Floats = total / len(means) ** 2
    return distance


def _quantile(means: Floats, deviations: Floats, level: float) -> Floats:
    """Solve F(x) = level for mixtures, ``[S, N]`` to ``[N]``."""
    ends = means + ndtri(level) * deviations
    low, high = ends.min(axis=0), ends.max(axis=0)
    # The normal with the mixture's mean and variance is a good first guess.
    spread = np.sqrt((deviations**2).mean(axis=0) + means.var(axis=0))
    x = np.clip(means.mean(axis=0) + ndtri(level) * spread, low, high)
    tolerance = 4 * _EPS * np.abs(ends).max(axis=0) + 1e-12 * deviations.min(axis=0)
    values: Floats = x.copy()
    left, last = np.arange(len(x)), high - low
    for _ in range(_MOST_STEPS):
        excess, density = _excess_and_density(x, means, deviations, level)
        low, high = np.where(excess < 0, x, low), np.where(excess > 0, x, high)
        middle = (low + high) / 2
        with np.errstate(all="ignore"):  # between components the density may be 0
            step = np.where(np.abs(excess) <= 4 * _EPS * level, 0.0, excess / density)
        newton = x - step
        # Steps must stay in the bracket and halve, so that none goes in circles.
        good = np.abs(newton - middle) <= (high - low) / 2 + tolerance
        good &= np.abs(step) <= np.maximum(last / 2, tolerance)
        values[left] = after = np.where(good, newton, middle)
        last = np.abs(after - x)
        going = last > tolerance
        if not going.any():
            break
        means, deviations = means[:, going], deviations[:, going]
        left, x, last = left[going], after[going], last[going]
        low, high, tolerance = low[going], high[going], tolerance[going]
    return values


def _excess_and_density(
    x: Floats, means: Floats, deviations: Floats, level: float
) -> tuple[Floats, Floats]:
    """F(x) - level, and the density at x."""
    scores = (x - means) / deviations
    excess = ndtr(scores).mean(axis=0) - level
    density = (np.exp(-0.5 * scores**2) / deviations).mean(axis=0)
    return excess, density / np.sqrt(2 * np.pi)
