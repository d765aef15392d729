"""The parts of the Brier score: what calibration, skill and the labels make of it.

*Papers*: Murphy (1973), J. Applied Meteorology 12:595, on the parts, and Stephenson,
Coelho and Jolliffe (2008), Weather and Forecasting 23:752, on the two that bins leave
within them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._binned import batches, per_example, share, squared_noise
from calibration._bins import bin_edges, find_bins
from calibration._distances import Distance, without_empty
from calibration._predictions import Judged
from calibration.bootstrap import from_draws, resample, sums_by_group
from calibration.estimate import BOOTSTRAP, Estimate

LARGEST_BRIER = 2.0


@dataclass(frozen=True, kw_only=True)
class BrierDecomposition:
    """Brier score = reliability - resolution + uncertainty + within_bin.

    Args:
        reliability: Squared gaps between probabilities and frequencies of bins, in
            0..2; 0 is calibrated. Chance raises it, by about B (C - 1) / N or less.
        resolution: Squared differences between the frequencies of bins and those of
            all examples, in 0..1; larger tells examples better apart.
        uncertainty: Brier score of the frequencies of all examples, in 0..1 - 1/C,
            whatever the model.
        within_bin: What the bins hide: the variance of probabilities within them, less
            twice their covariance with the labels, in -1..2; near 0 for narrow bins.
    """

    reliability: Estimate
    resolution: Estimate
    uncertainty: Estimate
    within_bin: Estimate


def brier_decomposition(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> BrierDecomposition:
    """Split the Brier score into what calibration, skill and the labels make of it.

    Each class against the rest, in bins of its own probability, summed over classes.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of equal-width bins of each class, at least 1.
        groups: Cluster of each example, ``[N]``.

    Returns:
        The parts, whose sum is `brier_score` whatever the bins.

    Raises:
        ValueError: If an argument is outside its range.
    """
    return parts_of(Judged(probabilities, labels, groups), num_bins)


def parts_of(judged: Judged, num_bins: int) -> BrierDecomposition:
    """The parts of the Brier score of checked predictions."""
    group, rows, labels = judged.dealt, judged.rows, judged.labels
    edges = bin_edges(rows[:, 0], num_bins)
    values, draws, noise = np.zeros(4), np.zeros((4, 1)), np.zeros(2)
    for classes in batches(rows.shape[1]):
        sums = [_class_sums(group, edges, rows[:, c], labels == c) for c in classes]
        ends = np.cumsum([each.shape[1] for each in sums])[:-1]
        together = resample(np.concatenate(sums, axis=1))
        values = values + sum(_parts(each.sum(axis=0)) for each in sums)
        draws = draws + sum(map(_parts, np.split(together, ends, axis=1)))
        noise += sum(_noise(judged, each) for each in sums)
    squares = [
        Distance(float(values[k]), moves, moves, int(group.max()) + 1)
        for k, moves in enumerate(draws - values[:, None])
    ]
    return _with_intervals(squares, noise / judged.count, rows.shape[1], judged.count)


def _class_sums(
    group: NDArray[np.intp],
    edges: NDArray[np.float64],
    column: NDArray[np.float64],
    true: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Sums of 1, p, y, p^2, p y of each group and bin not empty, ``[G, B', 5]``."""
    columns = (None, column, true, column**2, column * true)
    bins = find_bins(column, edges)
    return without_empty(sums_by_group(group, bins, len(edges) - 1, *columns))


def _parts(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reliability, resolution, uncertainty and within-bin part, ``[4, ...]``."""
    count, p, y, pp, py = np.moveaxis(sums, -1, 0)
    rate = per_example(y, count)
    p_mean, y_mean = share(p, count), share(y, count)
    within = pp - p * p_mean - 2 * (py - p * y_mean)
    return np.stack([
        per_example(count * (p_mean - y_mean) ** 2, count),
        per_example(count * (y_mean - rate[..., None]) ** 2, count),
        rate * (1 - rate),
        per_example(within, count),
    ])


def _noise(judged: Judged, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """What chance adds to reliability and resolution, summed over examples."""
    count, p, y, pp, _ = np.moveaxis(sums, -1, 0)
    total, sizes = count.sum(axis=0), judged.cluster_sizes(sums)
    expected, squares = p.sum(axis=0), pp.sum(axis=0)
    gap = squared_noise(np.stack([count, p - y], -1), sizes, expected - squares)
    hits = expected * (1 - expected / total)
    rate = squared_noise(np.stack([count, y], -1), sizes, hits)
    return np.array([(gap / total).sum(), (rate / total).sum()])


def _with_intervals(
    parts: list[Distance], noise: NDArray[np.float64], num_classes: int, count: int
) -> BrierDecomposition:
    reliability, resolution, uncertainty, within = parts
    return BrierDecomposition(
        reliability=reliability.raised(noise[0]).estimate(
            count, reliability.value, LARGEST_BRIER
        ),
        resolution=resolution.raised(noise[1]).estimate(count, resolution.value),
        uncertainty=_of_rates(uncertainty, 1 - 1 / num_classes, count),
        within_bin=from_draws(
            within.value,
            # One group says nothing of spread.
            within.value + (within.falls if within.num_groups > 1 else np.empty(0)),
            count,
            (-1.0, LARGEST_BRIER),
        ),
    )


def _of_rates(found: Distance, largest: float, count: int) -> Estimate:
    """Uncertainty: the largest there is less the square of rates' distance from equal.

    Where classes are equally frequent it is at its maximum, from which noise can only
    take away.
    """
    square = Distance(
        largest - found.value, -found.rises, -found.falls, found.num_groups
    )
    low, high = square.interval(square.value, largest)
    return Estimate(
        found.value,
        low=largest - high,
        high=largest - low,
        count=count,
        method=BOOTSTRAP,
    )
