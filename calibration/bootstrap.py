"""Intervals of any function of sums over examples, by resampling groups of them.

*Paper*: Efron (1979), Annals of Statistics 7:1.

Examples are dealt at random into at most 1,000 groups of equal size, and groups are
resampled instead of examples. With up to 1,000 examples each is a group of its own,
which is the ordinary bootstrap; with more, the groups' sums have the same mean and
covariance as sums of single examples, while a million examples cost no more than a
thousand. What varies is a sum, so that one product of matrices gives all replicates.
The weights come from a generator of their own: the same call gives the same interval,
and the caller's random numbers are left alone.
"""

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from calibration._checks import check_groups
from calibration.estimate import BOOTSTRAP, COVERAGE, UNIT, Estimate

REPLICATES = 1000
MAX_GROUPS = 1000

_TAIL = (1 - COVERAGE) / 2
_DEAL_SEED = 2019  # of the deal into groups


@lru_cache(maxsize=4)
def _places(count: int) -> NDArray[np.intp]:
    """Where each of many members is dealt to; read-only."""
    places = np.random.default_rng(_DEAL_SEED).permutation(count) % MAX_GROUPS
    places.flags.writeable = False
    return places


def deal(num_examples: int, groups: ArrayLike | None = None) -> NDArray[np.intp]:
    """Deal examples into the groups that a bootstrap resamples.

    Args:
        num_examples: N, at least 1.
        groups: Cluster of each example, ``[N]``; clusters are never torn apart.

    Returns:
        Group of each example, 0..G-1 with G at most `MAX_GROUPS`, ``[N]``.
    """
    if groups is None:
        members = np.arange(num_examples)
    else:
        members = check_groups(groups, num_examples)
    count = int(members.max()) + 1
    if count <= MAX_GROUPS:
        return members
    dealt: NDArray[np.intp] = _places(count)[members]
    return dealt


def sums_by_group(
    group: NDArray[np.intp],
    cell: NDArray[np.intp],
    num_cells: int,
    *columns: NDArray[Any] | None,
) -> NDArray[np.float64]:
    """Add up numbers of examples within each group and cell.

    Args:
        group: Group of each entry from `deal`, of any shape.
        cell: Cell (bin) of each entry, 0..num_cells-1, of the same shape.
        num_cells: Number of cells K.
        columns: Numbers to add, each of the same shape; None counts entries.

    Returns:
        Sums, ``[G, K, len(columns)]``.
    """
    index = (group * num_cells + cell).ravel()
    size = (int(group.max()) + 1) * num_cells
    sums = [
        np.bincount(index, None if column is None else column.ravel(), size)
        for column in columns
    ]
    return np.stack(sums, axis=-1, dtype=np.float64).reshape(-1, num_cells, len(sums))


@lru_cache(maxsize=8)
def resampling_weights(num_groups: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each group is drawn in each replicate of the bootstrap.

    Args:
        num_groups: G, at least 1.
        seed: Another seed gives independent weights, for a second set of examples.

    Returns:
        Weights whose rows sum to G, read-only, ``[REPLICATES, G]``.
    """
    generator = np.random.default_rng((seed, num_groups))
    shares = np.full(num_groups, 1 / num_groups)
    weights = generator.multinomial(num_groups, shares, REPLICATES).astype(np.float64)
    weights.flags.writeable = False
    return weights


def resample(sums: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """Resample groups, and add up what was drawn.

    Args:
        sums: One array of sums a group, ``[G, ...]``.
        seed: See `resampling_weights`.

    Returns:
        Sums of each replicate, ``[REPLICATES, ...]``.
    """
    flat = sums.reshape(len(sums), -1)
    return (resampling_weights(len(sums), seed) @ flat).reshape(-1, *sums.shape[1:])


def from_draws(
    value: float,
    draws: NDArray[np.float64],
    count: int,
    bounds: tuple[float, float] = UNIT,
    *,
    reflected: bool = False,
) -> Estimate:
    """Make an estimate of the replicates of a bootstrap.

    Args:
        value: The number measured on all examples.
        draws: The same number in each replicate; those that are not finite (a replicate
            without any OOD example, say) are left out, ``[R]``.
        count: Number of examples.
        bounds: Smallest and largest possible value.
        reflected: Whether to mirror the replicates at the value, for measures that
            noise can only raise, such as a sum of absolute gaps: resampling raises
            them a second time, by as much as sampling did the first.

    Returns:
        The value with the middle 95 % of the replicates, widened to hold the value.
    """
    finite = draws[np.isfinite(draws)]
    if count < 2 or not len(finite):
        low, high = bounds
    else:
        low, high = np.quantile(finite, [_TAIL, 1 - _TAIL])
        if reflected:
            low, high = 2 * value - high, 2 * value - low
    low, high = np.clip([low, high], *bounds)
    return Estimate(value, low=low, high=high, count=count, method=BOOTSTRAP)


def resampled(
    sums: NDArray[np.float64],
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    count: int,
    bounds: tuple[float, float] = UNIT,
    *,
    value: float | None = None,
) -> Estimate:
    """Estimate any function of sums over examples.

    Args:
        sums: Sums of each group, ``[G, ...]``.
        measure: Maps sums ``[..., *K]`` to values ``[...]``; it is called with the
            sums over all groups and with those of all replicates.
        count: Number of examples.
        bounds: Smallest and largest possible value.
        value: The exact value, where sums give an approximate one: replicates are then
            moved by the difference.

    Returns:
        The value of all examples together, with its interval.
    """
    total = float(measure(sums.sum(axis=0)))
    if len(sums) == 1:  # one cluster says nothing of spread
        return from_draws(total if value is None else value, np.empty(0), count, bounds)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = measure(resample(sums))
    value = total if value is None else value
    moves = (draws - total) * _few_groups(len(sums))
    return from_draws(value, value + moves, count, bounds)


def _few_groups(num_groups: int) -> float:
    """How much too narrow the bootstrap of few groups is, for a mean of about normal.

    It divides by G and not by G - 1, and knows nothing of Student's quantile.
    """
    freedom = num_groups - 1
    student = float(stdtrit(freedom, 1 - _TAIL)) / NormalDist().inv_cdf(1 - _TAIL)
    return float(student * (num_groups / freedom) ** 0.5)
