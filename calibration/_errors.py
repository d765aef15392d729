"""The calibration errors of predictions that were checked; see `calibration_errors`."""

from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from calibration._binned import (
    batches,
    binned_sums,
    debiased_squared_gap,
    effective_counts,
    expected_gaps,
    farthest_gap,
    mean_gap,
    nearest_gap,
    promised_gap,
    squared_gap,
    squared_noise,
)
from calibration._bins import Scheme, bin_edges, find_bins
from calibration._distances import (
    WHOLE,
    Distance,
    Sums,
    distance,
    squared_distance,
    without_empty,
)
from calibration._predictions import Judged
from calibration.estimate import WILSON, Estimate
from calibration.intervals import mean
from calibration.reliability import diagram

KERNEL_WIDTH = 0.4  # of Kumar, Sarawagi and Jain, in confidence

_KERNEL_CELLS = 200
_SIGNED = (-1.0, 1.0)


def expected_error(judged: Judged, num_bins: int, scheme: Scheme = "width") -> Estimate:
    """The mean gap of bins."""
    sums = judged.binned(num_bins, scheme)
    found = distance(sums, mean_gap, chance=_chance(judged, sums))
    return found.widened(max(judged.unseen)).estimate(judged.count, found.value)


def adaptive_error(judged: Judged, num_bins: int) -> Estimate:
    """The mean gap of bins of equal mass."""
    return expected_error(judged, num_bins, "mass")


def maximum_error(judged: Judged, num_bins: int) -> Estimate:
    """The largest gap of any bin."""
    bins = diagram(judged.confidence, judged.correct, num_bins)
    count = bins.count.astype(np.float64)
    if judged.groups is not None:
        cell = find_bins(judged.confidence, bin_edges(judged.confidence, num_bins))
        count = effective_counts(cell, judged.groups)
    return Estimate(
        np.abs(bins.confidence - bins.accuracy).max(),
        low=nearest_gap(bins.confidence, bins.accuracy, count),
        high=farthest_gap(bins.confidence, bins.accuracy, count),
        count=judged.count,
        method=WILSON,
    )


def classwise_error(judged: Judged, num_bins: int) -> Estimate:
    """The mean gap of each class's bins, averaged over classes."""
    rows, labels, group = judged.rows, judged.labels, judged.dealt
    num_classes, edges = rows.shape[1], bin_edges(rows[:, 0], num_bins)

    def part(classes: range) -> Distance:
        sums = [binned_sums(group, edges, rows[:, c], labels == c) for c in classes]
        together = np.concatenate(sums, axis=1)
        return distance(
            together,
            lambda sums: mean_gap(sums) * len(classes) / num_classes,
            num_cells=num_classes * num_bins,
            chance=_chance(judged, together),
        )

    whole = reduce(add, map(part, batches(num_classes)))
    # Each error that was not seen is one too few of one class, one too many of another.
    whole = whole.widened(2 * max(judged.unseen) / num_classes)
    return whole.estimate(judged.count, whole.value)


def root_mean_square_error(judged: Judged, num_bins: int) -> Estimate:
    """The root of the mean squared gap."""
    square = _squared(judged, num_bins)
    return square.root(judged.count, np.sqrt(square.value), square.value)


def debiased_error(judged: Judged, num_bins: int) -> Estimate:
    """The same without what chance adds."""
    square = _squared(judged, num_bins)
    total = judged.binned(num_bins).sum(axis=0)
    debiased = max(float(debiased_squared_gap(total)), 0.0)
    return square.root(judged.count, np.sqrt(debiased), square.value)


def promised_error(judged: Judged, num_bins: int) -> Estimate:
    """The mean gap of bins that promise too much, weighted by the promise."""
    sums = judged.binned(num_bins)
    chance = _chance(judged, sums)
    found = distance(sums, promised_gap, step=WHOLE, chance=chance)
    return found.widened(judged.unseen[0]).estimate(judged.count, found.value)


def signed_error(judged: Judged) -> Estimate:
    """The mean confidence less the accuracy."""
    found = mean(judged.confidence - judged.correct, _SIGNED, judged.groups)
    lower, higher = judged.unseen
    return Estimate(
        found,
        low=max(found.low - higher, -1.0),
        high=min(found.high + lower, 1.0),
        count=found.count,
        method=found.method,
    )


def kernel_error(judged: Judged) -> Estimate:
    """The maximum mean calibration error."""
    sums = without_empty(judged.binned(_KERNEL_CELLS))
    cells = sums.sum(axis=0)
    centres = cells[:, 1] / cells[:, 0]
    kernel = np.exp(-np.abs(centres[:, None] - centres) / KERNEL_WIDTH)

    def square(sums: Sums) -> NDArray[np.float64]:
        excess, count = sums[..., -1], sums[..., 0].sum(axis=-1)
        return np.asarray(((excess @ kernel) * excess).sum(axis=-1) / count**2)

    exact = _squared_kernel_error(judged.confidence, judged.confidence - judged.correct)
    found = squared_distance(sums, square)
    return found.root(judged.count, np.sqrt(exact), exact)


def _chance(judged: Judged, sums: Sums) -> NDArray[np.float64]:
    """What chance gives each bin of a calibrated model."""
    return expected_gaps(sums, judged.cluster_sizes(sums))


def _squared(judged: Judged, num_bins: int) -> Distance:
    """The mean squared gap, which chance raises by what residuals say."""
    sums = without_empty(judged.binned(num_bins))
    count, confidence, _ = sums.sum(axis=0).T
    noise = squared_noise(
        sums[..., [0, 2]],
        judged.cluster_sizes(sums),
        confidence * (1 - confidence / count),
    )
    square = squared_distance(sums, squared_gap)
    return square.raised(float((noise / count).sum()) / judged.count)


def _squared_kernel_error(
    confidence: NDArray[np.float64], excess: NDArray[np.float64]
) -> float:
    """The square of the MMCE in O(N log N).

    With c ascending the sum over j < i is e^(-c_i / w) sum_j<i x_j e^(c_j / w).
    """
    order = np.argsort(confidence)
    excess, growth = excess[order], np.exp(confidence[order] / KERNEL_WIDTH)
    weighted = excess * growth
    before = np.cumsum(weighted) - weighted
    total = excess @ excess + 2 * float((excess / growth) @ before)
    # A square: rounding alone can leave it below 0.
    return max(float(total), 0.0) / len(excess) ** 2
