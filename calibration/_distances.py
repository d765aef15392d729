"""Intervals of calibration errors: distances from 0, which noise can only raise.

A binned calibration error is a distance f(S) of the bins' excesses S (confidence less
correctness, summed) from no excess at all. Noise e in S = T + e raises it, at T = 0 by
the whole of f(e); resampling raises it once more, so that neither the bootstrap's
quantiles nor their reflection cover the truth of a calibrated model (of 300 simulated
sets with 15 bins, 0 % and 39 %). What works (Fang and Santos 2019, Rev. Econ. Stud.
86:377; Hong and Li 2018, J. Econometrics 206:379) takes each end by itself, with
replicates S*:

- *Low end*: value - q(f(T' + e*) - f(T')), the rise that noise causes where the truth
  is T' = S in bins whose gap is beyond doubt, and 0 in all others, which noise raises
  most. There e* = S* - S; the doubt is Bonferroni's: with 95 % probability no bin of a
  calibrated model is taken for one with a gap.
- *High end*: value + q of f's directional derivative at S along e*. A convex f lies
  above its tangents, so what noise takes away at most is what it takes to first order.
  With the whole step e* in its place, which for a convex f is never less, the end
  holds also for distances with a kink that a step can cross.

In a cell of one or two examples resampling knows little of noise. `chance` and
`Distance.raised` then tell its mean, from the model's own probabilities: the replicates
of a low end are moved to it where theirs is less.

A square f(S)^2 rises on average by as much wherever the truth lies, and varies more
around S than around 0: the rises of its plain replicates serve at both ends.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

from calibration.bootstrap import resample
from calibration.estimate import BOOTSTRAP, COVERAGE, Estimate

Sums = NDArray[np.float64]
OfSums = Callable[[Sums], NDArray[np.float64]]

TANGENT, WHOLE = 1e-6, 1.0

_NORMAL_DEVIATIONS = (np.pi / 2) ** 0.5  # in a mean absolute deviation


@dataclass(frozen=True, eq=False)
class Distance:
    """A measured distance, and what noise can have done to it.

    Args:
        value: f(S).
        rises: How far noise can have raised it, ``[REPLICATES]``.
        falls: How far noise can have lowered it, ``[REPLICATES]``.
        num_groups: Number of groups that were resampled.
    """

    value: float
    rises: NDArray[np.float64]
    falls: NDArray[np.float64]
    num_groups: int

    def __add__(self, other: Self) -> "Distance":
        return Distance(
            self.value + other.value,
            self.rises + other.rises,
            self.falls + other.falls,
            self.num_groups,
        )

    def raised(self, noise: float) -> "Distance":
        """The same, if noise raises it by less on average than it is known to."""
        return replace(self, rises=self.rises + max(noise - self.rises.mean(), 0.0))

    def widened(self, farther: float) -> "Distance":
        """The same, if noise can have lowered it by more."""
        return replace(self, falls=self.falls + farther)

    def interval(self, value: float, largest: float = 1.0) -> tuple[float, float]:
        """The ends, in 0..largest, for a value that is this one but for rounding."""
        if self.num_groups < 2:
            return 0.0, largest
        level = (1 + COVERAGE) / 2
        low = value - float(np.quantile(self.rises, level))
        high = value + float(np.quantile(self.falls, level))
        return max(low, 0.0), min(high, largest)

    def estimate(self, count: int, value: float, largest: float = 1.0) -> Estimate:
        """Make the estimate of this distance.

        Args:
            count: Number of examples.
            value: The value to print.
            largest: Largest possible value; 0 is the smallest.

        Returns:
            The value with its 95 % interval.
        """
        low, high = self.interval(value, largest)
        return Estimate(value, low=low, high=high, count=count, method=BOOTSTRAP)

    def root(self, count: int, value: float, square: float) -> Estimate:
        """Make the estimate of the root of this distance, which is a square.

        Args:
            count: Number of examples.
            value: The value to print.
            square: The square around which the ends lie.

        Returns:
            The value with its 95 % interval, in 0..1.
        """
        low, high = np.sqrt(self.interval(square))
        return Estimate(value, low=low, high=high, count=count, method=BOOTSTRAP)


def distance(
    sums: Sums,
    measure: OfSums,
    *,
    step: float = TANGENT,
    num_cells: int | None = None,
    chance: NDArray[np.float64] | None = None,
) -> Distance:
    """Measure a distance and the noise in it.

    Args:
        sums: Sums of each group and cell, the excess last, ``[G, K, k]``.
        measure: f, convex in the excesses; maps sums ``[..., K, k]`` to ``[...]``.
        step: Step of the directional derivative: `TANGENT`, or `WHOLE` for a distance
            that ignores excesses of one sign.
        num_cells: Number of cells among which a gap is beyond doubt; those that hold
            an example, unless the distance is one of several that will be added.
        chance: What the mean of each cell's absolute excess is without a gap, where
            that is known, ``[K]``: cells of few examples are resampled to less.

    Returns:
        The distance.
    """
    held = sums[..., 0].sum(axis=0) > 0
    sums = sums[:, held]
    total = sums.sum(axis=0)
    moves = resample(sums) - total
    noise = np.sqrt((sums[..., -1] ** 2).sum(axis=0))
    if chance is not None:  # of which a bin without any rare event shows nothing
        noise = np.maximum(noise, _NORMAL_DEVIATIONS * chance[held])
    clear = np.abs(total[:, -1]) > _beyond_doubt(num_cells or len(total)) * noise
    centre = total.copy()
    centre[~clear, -1] = 0
    # Without a gap the cell's own size and confidence bear on nothing.
    noisy = moves * clear[:, None]
    noisy[..., -1] = moves[..., -1]
    value = measure(total)
    found = Distance(
        value=float(value),
        rises=measure(centre + noisy) - measure(centre),
        falls=(measure(total + step * moves) - value) / step,
        num_groups=len(sums),
    )
    if chance is None:
        return found
    up, down = centre.copy(), centre.copy()
    up[~clear, -1], down[~clear, -1] = chance[held][~clear], -chance[held][~clear]
    mean_rise = (measure(up) + measure(down)) / 2 - measure(centre)
    return found.raised(float(mean_rise))


def squared_distance(sums: Sums, square: OfSums) -> Distance:
    """Measure a square and the noise in it.

    Args:
        sums: Sums of each group and cell, ``[G, K, k]``.
        square: f^2, convex and quadratic in the sums of labels; maps sums
            ``[..., K, k]`` to ``[...]``.

    Returns:
        The square as a distance.
    """
    sums = without_empty(sums)
    value = float(square(sums.sum(axis=0)))
    moves = square(resample(sums)) - value
    return Distance(value=value, rises=moves, falls=moves, num_groups=len(sums))


def without_empty(sums: Sums) -> Sums:
    """Leave out cells without an example: most of them, where classes are many."""
    return sums[:, sums[..., 0].sum(axis=0) > 0]


def _beyond_doubt(num_cells: int) -> float:
    """Deviations from 0 that no cell of a calibrated model reaches, in 95 % of sets."""
    return NormalDist().inv_cdf(1 - (1 - COVERAGE) / (2 * num_cells))
