"""Numbers that say how sure they are: every measure is an `Estimate`.

Four ways lead to a 95 % interval, and each estimate names its own:

- "Wilson": a proportion (Wilson 1927, JASA 22:209), with clusters of as many examples
  as would be as uncertain (Korn and Graubard 1998, Survey Methodology 24:193).
- "Student t": a mean of a number per example, or per cluster where there are clusters
  (of few, 20 say, and skewed numbers such as the NLL, it covers 85 to 88 %).
- "DeLong": an area under the ROC curve (`calibration.ood`).
- "bootstrap": any function of sums over examples (Efron 1979, Ann. Statist. 7:1).

*Bootstrap*: examples are dealt at random into at most 1,000 groups of equal size, and
groups are resampled instead of examples. With up to 1,000 examples each is a group of
its own, which is the ordinary bootstrap; with more, the groups' sums have the same mean
and covariance as sums of single examples, while a million examples cost no more than a
thousand. What varies is a sum, so that one product of matrices gives all replicates.
The weights come from a generator of their own: the same call gives the same interval,
and the caller's random numbers are left alone.
"""

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from calibration._checks import as_array, check_groups

COVERAGE = 0.95
REPLICATES = 1000
MAX_GROUPS = 1000
UNIT = (0.0, 1.0)
BOOTSTRAP, WILSON, STUDENT = "bootstrap", "Wilson", "Student t"

_TAIL = (1 - COVERAGE) / 2
_NORMAL = NormalDist().inv_cdf(1 - _TAIL)
_NO_SPREAD = 1e-12  # between clusters, a variance of rounding only
_DEAL_SEED = 2019  # of the deal into groups


class Estimate(float):
    """A measured number: a float that carries its 95 % interval.

    Args:
        value: The number measured on all examples.
        low: Lower end of the interval, at most the value.
        high: Upper end, at least the value.
        count: Number of examples behind it.
        method: How the interval was found, such as "Wilson" or "bootstrap".
    """

    __slots__ = ("count", "high", "low", "method")
    low: float
    high: float
    count: int
    method: str

    def __new__(
        cls, value: float, *, low: float, high: float, count: int, method: str
    ) -> Self:
        """Make the number; see the class."""
        estimate = super().__new__(cls, value)
        # Rounding, or a reflected bootstrap, must not leave the value outside.
        estimate.low = min(float(low), float(value))
        estimate.high = max(float(high), float(value))
        estimate.count, estimate.method = int(count), method
        return estimate

    def __repr__(self) -> str:
        return (
            f"Estimate({float(self):.6g}, low={self.low:.6g}, high={self.high:.6g}, "
            f"count={self.count}, method={self.method!r})"
        )

    # As text it is the number, in an f-string or a table as anywhere else.
    __str__ = float.__repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.as_dict(),)

    def as_dict(self) -> dict[str, Any]:
        """This estimate as JSON-ready data."""
        return {"value": float(self)} | {
            name: getattr(self, name) for name in ("low", "high", "count", "method")
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Rebuild an estimate from what `as_dict` gave."""
        return cls(**content)


def wilson_interval(
    successes: ArrayLike, counts: ArrayLike, confidence: float = COVERAGE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's score interval for proportions.

    Unlike the normal interval it stays inside 0..1 and keeps its width where every
    trial of a small bin succeeded.

    Args:
        successes: Number of successes, in 0..count, of any shape.
        counts: Number of trials, at least 1, of the same shape.
        confidence: Coverage aimed at, strictly between 0 and 1.

    Returns:
        Lower and upper ends, in 0..1, of the same shape.

    Raises:
        ValueError: If a number is outside its range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}.")
    counts = np.asarray(counts, dtype=np.float64)
    successes = np.asarray(successes, dtype=np.float64)
    if not np.all(counts >= 1):
        raise ValueError(f"counts must be at least 1, got {counts.min():g}.")
    if not np.all((successes >= 0) & (successes <= counts)):
        raise ValueError(
            "successes must be in 0..counts, "
            f"got {successes.tolist()} of {counts.tolist()}."
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / counts
    shrink = 1 + z**2 / counts
    centre = (share + z**2 / (2 * counts)) / shrink
    spread = np.sqrt(share * (1 - share) / counts + (z / (2 * counts)) ** 2)
    half = z * spread / shrink
    # At 0 and at 1 one end is the proportion itself, which rounding must not pass.
    return np.clip(centre - half, 0.0, share), np.clip(centre + half, share, 1.0)


def proportion(hits: ArrayLike, groups: ArrayLike | None = None) -> Estimate:
    """Estimate how often something happens.

    Args:
        hits: Whether it happened to each example, ``[N]``, N at least 1.
        groups: Cluster of each example (its image, patient, user), ``[N]``; the
            interval is then that of `effective_size` examples, and all of 0..1 where
            there is one cluster, which says nothing of the spread between clusters.

    Returns:
        A fraction in 0..1.
    """
    hits = as_array(hits, "hits").astype(bool)
    share, size = float(hits.mean()), float(len(hits))
    if groups is not None:
        cluster = check_groups(groups, len(hits))
        size = effective_size(np.bincount(cluster, hits), np.bincount(cluster))
    low, high = wilson_of_share(share, size)
    return Estimate(share, low=low, high=high, count=len(hits), method=WILSON)


def effective_size(hits: NDArray[Any], counts: NDArray[Any]) -> float:
    """How many independent examples a proportion of clustered ones is worth.

    As many as would vary as much as it does between clusters; fewer where few clusters
    hold its rarer outcome, which alone tell of that variance, as Student's quantile
    exceeds the normal one. Never more than the examples, and never less than if the
    members of a cluster were all alike (Kish's effective size): that is taken as well
    where nothing varies, a proportion of 1 among them.

    Args:
        hits: Hits in each cluster, ``[G]``.
        counts: Examples in each cluster, ``[G]``.

    Returns:
        The size, 0 for one cluster, which says nothing of the spread between them.
    """
    counts = np.asarray(counts, dtype=np.float64)
    total, clusters = float(counts.sum()), int((counts > 0).sum())
    if clusters < 2:
        return 0.0
    share = float(hits.sum()) / total
    deviations = hits - share * counts
    spread = float(deviations @ deviations) * clusters / (clusters - 1)
    rarer = hits if 2 * share <= 1 else counts - hits
    freedom = min(int((rarer > 0).sum()), clusters - 1)
    kish = total**2 / float(counts @ counts)
    if spread < _NO_SPREAD * total:
        return kish
    quantiles = _NORMAL / float(stdtrit(freedom, 1 - _TAIL))
    size = share * (1 - share) * total**2 / spread * quantiles**2
    return float(np.clip(size, kish, total))


def wilson_of_share(share: float, size: float) -> tuple[float, float]:
    """Wilson's interval of a proportion; all of 0..1 where the size is below 1.

    Args:
        share: The proportion.
        size: Number of independent examples, which need not be whole.

    Returns:
        Lower and upper end.
    """
    if size < 1:
        return UNIT
    low, high = wilson_interval(min(share * size, size), size)
    return min(float(low), share), max(float(high), share)


def beyond_normal(share: float, size: float) -> tuple[float, float]:
    """How much farther than the normal interval Wilson's reaches down, and up.

    What resampling cannot know: that no error yet is not no error ever.

    Args:
        share: A proportion.
        size: Number of independent examples; see `effective_size`.

    Returns:
        Two lengths of at least 0, of order 1 / size.
    """
    low, high = wilson_of_share(share, size)
    half = _NORMAL * (share * (1 - share) / max(size, 1.0)) ** 0.5
    return max(share - low - half, 0.0), max(high - share - half, 0.0)


def mean(
    values: ArrayLike, bounds: tuple[float, float], groups: ArrayLike | None = None
) -> Estimate:
    """Estimate the mean of a number that every example has.

    Args:
        values: One number an example, ``[N]``, N at least 1.
        bounds: Smallest and largest possible mean; the interval ends there, and is all
            of it where there is one example or cluster, which says nothing of spread.
        groups: Cluster of each example, ``[N]``; clusters then count as independent,
            and their members do not.

    Returns:
        The mean, in the unit of the values.
    """
    values = as_array(values, "values").astype(np.float64, copy=False)
    value, error, freedom = _mean_and_error(values, groups)
    low, high = bounds
    if freedom > 0:
        half = float(stdtrit(freedom, 1 - _TAIL)) * error
        low, high = max(low, value - half), min(high, value + half)
    return Estimate(value, low=low, high=high, count=len(values), method=STUDENT)


def _mean_and_error(
    values: NDArray[np.float64], groups: ArrayLike | None
) -> tuple[float, float, int]:
    """The mean, its standard error, and the error's degrees of freedom."""
    value, count = float(values.mean()), len(values)
    # Adding 0.0 turns a mean of -0.0 into 0.0.
    value += 0.0
    deviations: NDArray[Any] = values - value
    if groups is not None:
        deviations = np.bincount(check_groups(groups, count), deviations)
    freedom = len(deviations) - 1
    if freedom == 0:
        return value, 0.0, 0
    scale = len(deviations) / freedom  # makes the variance of few groups unbiased
    return value, float(np.sqrt(scale * (deviations @ deviations))) / count, freedom


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
    reflected: bool = False,
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
        reflected: See `from_draws`.

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
    return from_draws(value, value + moves, count, bounds, reflected=reflected)


def _few_groups(num_groups: int) -> float:
    """How much too narrow the bootstrap of few groups is, for a mean of about normal.

    It divides by G and not by G - 1, and knows nothing of Student's quantile.
    """
    freedom = num_groups - 1
    student = float(stdtrit(freedom, 1 - _TAIL)) / _NORMAL
    return float(student * (num_groups / freedom) ** 0.5)
