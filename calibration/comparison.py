"""Is one run better than another on the same test set, or was it chance?

Two runs judged on the *same* examples share most of their luck: what is hard for one is
hard for the other. Differences are therefore taken example by example, and resampling
draws the same examples for both, which gives far narrower intervals than those of two
numbers side by side. What such an interval leaves out is the luck of training: another
seed gives another run (`mean_over_seeds`).

*Papers*: Student (1908), Biometrika 6:1 (means of differences); Efron (1979), Ann.
Statist. 7:1, and Koehn (2004), EMNLP 388 (paired bootstrap).

*ECE*: noise can only raise a calibration error, by more the better calibrated the run,
and so by another amount in each of the two. It is at most what it is in bins without a
gap, and at least what it is to first order (`calibration._distances`); the interval of
the difference holds all four combinations of the two runs, and `share_range` the least
and the most of their shares above zero. It is wider than need be, save that bins in
which the runs are the same cancel, whatever the truth.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._binned import mean_gap
from calibration._checks import (
    check_at_least_one,
    check_groups,
    check_labels,
    check_probabilities,
    check_seed,
)
from calibration._difference import (
    Difference,
    check_same_shape,
    with_share,
)
from calibration._distances import distance
from calibration._predictions import Judged
from calibration.bootstrap import from_draws, resample, sums_by_group
from calibration.estimate import BOOTSTRAP, Estimate
from calibration.intervals import mean
from calibration.measures import HEADLINE
from calibration.metrics import (
    LARGEST_BRIER,
    LARGEST_NLL,
    brier_of_examples,
    hits_of_examples,
    nll_of_examples,
)
from calibration.seeds import SeedSummary, mean_over_seeds

__all__ = [
    "Difference",
    "SeedSummary",
    "mean_over_seeds",
    "paired_bootstrap",
    "paired_differences",
]

Array = NDArray[np.float64]
Classes = NDArray[np.intp]
Measure = Callable[[NDArray[np.floating[Any]], Classes], float]
OfExamples = Callable[[Array, Classes], NDArray[Any]]

ENDLESS = (-np.inf, np.inf)


def paired_differences(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str] | str = HEADLINE,
    *,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> dict[str, Difference]:
    """Compare two runs on the same examples by the headline measures.

    Args:
        first: Probabilities of the first run, ``[N, C]`` or ``[S, N, C]``.
        second: Those of the second, of the same N and C; S may be another.
        labels: True classes, integers in 0..C-1, ``[N]``.
        names: Which of "accuracy", "nll", "brier" and "ece"; one, or several.
        num_bins: Bins of equal width for "ece", at least 1.
        groups: Cluster of each example (image, patient, user), ``[N]``, if members of
            one are not independent.

    Returns:
        First less second by name, in the order of the names: Student's interval of the
        mean difference, and for "ece" that of a paired bootstrap.

    Raises:
        ValueError: If shapes disagree, or an argument is invalid.
    """
    names = (names,) if isinstance(names, str) else names
    for name in names:
        if name not in HEADLINE:
            raise ValueError(f"names must be among {[*HEADLINE]}, got {name!r}.")
    one = Judged(first, labels, groups, "first")
    check_same_shape(one.samples, np.asarray(second))
    two = Judged(second, labels, groups, "second")
    return {
        name: _ece_difference(one, two, num_bins)
        if name == "ece"
        else _mean_difference(one, two, *_MEANS[name])
        for name in names
    }


def paired_bootstrap(
    measure: Measure,
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    *,
    replicates: int = 1000,
    seed: int = 0,
    groups: ArrayLike | None = None,
    bounds: tuple[float, float] = ENDLESS,
    reflected: bool = False,
) -> Difference:
    """Compare two runs on the same examples by any measure, which may be slow.

    Args:
        measure: Called with probabilities as they were given, ``[N, C]`` or
            ``[S, N, C]``, and labels ``[N]``, once a run and replicate; returns a
            number. What is not finite in a replicate is left out.
        first: Probabilities of the first run, ``[N, C]`` or ``[S, N, C]``.
        second: Those of the second, of the same N and C; S may be another.
        labels: True classes, integers in 0..C-1, ``[N]``.
        replicates: How many times N examples are drawn with replacement, at least 1.
        seed: Of the draws.
        groups: Cluster of each example, ``[N]``: clusters are then drawn, whole.
        bounds: Smallest and largest possible difference; the interval ends there, and
            is all of it where there is one example or cluster, which tells nothing.
        reflected: Whether to mirror replicates at the difference; see
            `calibration.bootstrap.from_draws`.

    Returns:
        First less second, with its interval.

    Raises:
        ValueError: If shapes disagree, an argument is invalid, the measure is not
            finite, or one example or cluster has no bounds.
    """
    replicates, seed = check_at_least_one(replicates, "replicates"), check_seed(seed)
    one = check_probabilities(first, "first")
    two = check_probabilities(second, "second")
    check_same_shape(one, two)
    classes = check_labels(labels, *one.shape[-2:])
    cluster = np.arange(len(classes))
    if groups is not None:
        cluster = check_groups(groups, len(classes))

    def gap(rows: Classes | slice) -> float:
        chosen = classes[rows]
        return float(measure(one[..., rows, :], chosen)) - float(
            measure(two[..., rows, :], chosen)
        )

    value = gap(slice(None))
    draws = np.array([gap(rows) for rows in _drawn(cluster, replicates, seed)])
    if not (np.isfinite(value) and np.isfinite(draws).any()):
        raise ValueError(f"measure must give finite numbers, got a gap of {value}.")
    estimate = from_draws(value, draws, len(classes), bounds, reflected=reflected)
    draws = 2 * value - draws if reflected else draws
    return with_share(estimate, draws, int(cluster.max()) + 1, bounds)


_ECE_BOUNDS = (-1.0, 1.0)
# Measures that are means: what an example adds, and how far two means can differ.
_MEANS: Mapping[str, tuple[OfExamples, float]] = MappingProxyType({
    "accuracy": (hits_of_examples, 1.0),
    "nll": (nll_of_examples, LARGEST_NLL),
    "brier": (brier_of_examples, LARGEST_BRIER),
})


def _mean_difference(
    one: Judged, two: Judged, of_examples: OfExamples, largest: float
) -> Difference:
    values = of_examples(one.rows, one.labels).astype(np.float64)
    values -= of_examples(two.rows, two.labels)
    bounds = -largest, largest
    group, cell = one.dealt, np.zeros_like(one.dealt)
    sums = resample(sums_by_group(group, cell, 1, None, values)[:, 0])
    draws = sums[:, 1] / sums[:, 0]
    estimate = mean(values, bounds, one.groups)
    return with_share(estimate, draws, int(group.max()) + 1, bounds)


def _ece_difference(one: Judged, two: Judged, num_bins: int) -> Difference:
    sums = [each.binned(num_bins).copy() for each in (one, two)]
    value = float(mean_gap(sums[0].sum(axis=0))) - float(mean_gap(sums[1].sum(axis=0)))
    same = np.all(sums[0] == sums[1], axis=(0, 2))
    for each in sums:
        each[:, same, -1] = 0.0
    noise = [distance(each, mean_gap) for each in sums]
    draws = [
        value - (up - down)
        for up, down in product(*((each.rises, each.falls) for each in noise))
    ]
    ends = [from_draws(value, each, one.count, _ECE_BOUNDS) for each in draws]
    estimate = Estimate(
        value,
        low=min(each.low for each in ends),
        high=max(each.high for each in ends),
        count=one.count,
        method=BOOTSTRAP,
    )
    return with_share(estimate, draws[0], len(sums[0]), _ECE_BOUNDS, *draws[1:])


def _drawn(cluster: Classes, replicates: int, seed: int) -> Iterator[Classes]:
    """Rows of clusters drawn with replacement, one array a replicate."""
    generator = np.random.default_rng(seed)
    order = np.argsort(cluster, kind="stable")
    sizes = np.bincount(cluster)
    starts = np.cumsum(sizes) - sizes
    for _ in range(replicates):
        drawn = generator.integers(len(sizes), size=len(sizes))
        # Places in `order`: from each drawn cluster's start, as many as it has.
        lengths = sizes[drawn]
        offsets = starts[drawn] - (np.cumsum(lengths) - lengths)
        yield order[np.repeat(offsets, lengths) + np.arange(lengths.sum())]
