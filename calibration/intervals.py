"""Intervals in closed form, of proportions and of means.

- "Wilson": a proportion (Wilson 1927, JASA 22:209), with clusters of as many examples
  as would be as uncertain (Korn and Graubard 1998, Survey Methodology 24:193).
- "Student t": a mean of a number per example, or per cluster where there are clusters
  (of few, 20 say, and skewed numbers such as the NLL, it covers 85 to 88 %).
"""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from calibration._checks import as_array, check_groups
from calibration.estimate import COVERAGE, STUDENT, UNIT, WILSON, Estimate

_TAIL = (1 - COVERAGE) / 2
_NORMAL = NormalDist().inv_cdf(1 - _TAIL)
_NO_SPREAD = 1e-12  # between clusters, a variance of rounding only


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
