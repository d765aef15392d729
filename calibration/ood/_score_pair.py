"""Two sets of scores, and how many of each every threshold flags, with replicates.

*Thresholds*: a rank-based measure needs scores only up to order. The bootstrap looks at
no more than `MAX_THRESHOLDS` thresholds: all distinct scores where they are few,
otherwise quantiles, half of them of one set and half of the other, so that each is
resolved to 1/250. A replicate is then two histograms, and what the coarser look blurs
is put right by moving the replicates by the exact value's difference.
"""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import as_array
from calibration.bootstrap import deal, from_draws, resample, sums_by_group
from calibration.estimate import UNIT, Estimate

MAX_THRESHOLDS = 500

Counts = NDArray[np.float64]

_IN_SEED, _OUT_SEED = 0, 1  # the two sets are drawn independently


def check_scores(scores: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return one score an example, if there are any and all are finite.

    Args:
        scores: Scores of one set, ``[N]``.
        name: What to call the argument in an error.

    Returns:
        The same numbers in float64.

    Raises:
        ValueError: If they are not a non-empty vector of finite numbers.
    """
    array = as_array(scores, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, got dtype {array.dtype}.")
    array = array.astype(np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{name} must be a non-empty vector, got shape {array.shape}. "
            "Both in-distribution and OOD examples are needed."
        )
    finite = np.isfinite(array)
    if not finite.all():
        index = int(np.argmin(finite))
        raise ValueError(f"{name} must be finite, got {array[index]} at index {index}.")
    return array


class ScorePair:
    """In-distribution and OOD scores; what several measures need is computed once.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.
        in_name: What to call the first in an error.
        out_name: What to call the second.
    """

    def __init__(
        self,
        in_scores: ArrayLike,
        out_scores: ArrayLike,
        in_name: str = "in_scores",
        out_name: str = "out_scores",
    ) -> None:
        self.in_scores = check_scores(in_scores, in_name)
        self.out_scores = check_scores(out_scores, out_name)
        self.num_in, self.num_out = len(self.in_scores), len(self.out_scores)
        self.count = self.num_in + self.num_out

    @cached_property
    def in_sorted(self) -> NDArray[np.float64]:
        """In-distribution scores, ascending, ``[N]``."""
        return np.sort(self.in_scores)

    @cached_property
    def out_sorted(self) -> NDArray[np.float64]:
        """OOD scores, ascending, ``[M]``."""
        return np.sort(self.out_scores)

    @cached_property
    def replicates(self) -> tuple[Counts, Counts]:
        """Replicates of both sets at thresholds that serve any measure."""
        distinct = np.union1d(self.in_sorted, self.out_sorted)
        if len(distinct) <= MAX_THRESHOLDS:
            return self.replicates_at(distinct)
        half = MAX_THRESHOLDS // 2
        quantiles = [thin(side, half) for side in (self.in_sorted, self.out_sorted)]
        return self.replicates_at(np.union1d(*quantiles))

    def replicates_at(self, thresholds: NDArray[np.float64]) -> tuple[Counts, Counts]:
        """Count examples between thresholds, of all and of each replicate.

        Args:
            thresholds: Increasing, ``[K]``.

        Returns:
            For the in-distribution and for the OOD set, how many lie below the first
            threshold and from each to the next, ``[1 + REPLICATES, K + 1]``; row 0
            counts the examples as they are.
        """
        return (
            _count(self.in_scores, thresholds, _IN_SEED),
            _count(self.out_scores, thresholds, _OUT_SEED),
        )

    def estimate(
        self,
        value: float,
        draws: NDArray[np.float64],
        bounds: tuple[float, float] = UNIT,
    ) -> Estimate:
        """Give a value its bootstrap interval.

        Args:
            value: The exact value.
            draws: The measure at a few thresholds: of the examples as they are, then
                of each replicate, ``[1 + REPLICATES]``.
            bounds: Smallest and largest possible value.

        Returns:
            The value; its interval is all of the bounds where one set is one example,
            which says nothing of the spread.
        """
        moved = draws[1:] + (value - draws[0])
        if min(self.num_in, self.num_out) < 2:
            moved = np.full_like(moved, np.nan)
        return from_draws(value, moved, self.count, bounds)


def flagged(counts: Counts) -> Counts:
    """Return how many examples each threshold flags.

    Args:
        counts: Examples between thresholds, ascending, ``[R, K]``.

    Returns:
        Numbers of examples as the threshold falls, from none to all, ``[R, K + 1]``.
    """
    numbers = np.zeros((len(counts), counts.shape[1] + 1))
    np.cumsum(counts[:, ::-1], axis=1, out=numbers[:, 1:])
    return numbers


def thin(ascending: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Keep at most so many of sorted scores, evenly, the first and last included."""
    if len(ascending) <= count:
        return ascending
    places = np.linspace(0, len(ascending) - 1, count).round()
    return ascending[places.astype(np.intp)]


def _count(
    scores: NDArray[np.float64], thresholds: NDArray[np.float64], seed: int
) -> Counts:
    cell = np.searchsorted(thresholds, scores, side="right")
    sums = sums_by_group(deal(len(scores)), cell, len(thresholds) + 1, None)[..., 0]
    return np.concatenate([sums.sum(axis=0, keepdims=True), resample(sums, seed)])
