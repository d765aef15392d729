"""Reliability diagrams: are predictions of 80 % confidence right 80 % of the time?

*Papers*: Guo et al. (2017), arXiv:1706.04599, eqs. 1-3 (top-label confidence, equal
width bins, expected calibration error); Wilson (1927), JASA 22:209 (the interval).

*Conventions*: bins are right-closed, ``(a, b]``; a confidence of exactly 0 belongs to
the first and exactly 1 to the last. Bins without an example are left out, rather than
given a number nobody observed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one, predictive_and_labels
from calibration.intervals import wilson_interval


@dataclass(frozen=True, kw_only=True, eq=False)
class ReliabilityDiagram:
    """Confidence against accuracy in the B' <= B bins that hold an example.

    Args:
        lower: Lower edge, exclusive, ``[B']``.
        upper: Upper edge, inclusive, ``[B']``.
        count: Number of examples, at least 1, ``[B']``.
        confidence: Mean confidence, ``[B']``.
        accuracy: Fraction predicted correctly, ``[B']``.
        accuracy_low: Lower end of the 95 % Wilson interval of accuracy, ``[B']``.
        accuracy_high: Upper end of the same, ``[B']``.
        num_bins: B, the empty bins included.
        num_examples: N, the sum of the counts.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    count: NDArray[np.intp]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    accuracy_low: NDArray[np.float64]
    accuracy_high: NDArray[np.float64]
    num_bins: int
    num_examples: int

    @property
    def ece(self) -> float:
        """Expected calibration error, eq. 3 of Guo et al.; 0 is best, at most 1."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(self.count @ gaps) / self.num_examples


def reliability_diagram(
    probabilities: ArrayLike, labels: ArrayLike, num_bins: int = 15
) -> ReliabilityDiagram:
    """Sort predictions into equal-width bins of confidence.

    Args:
        probabilities: Class probabilities, ``[N, C]``, or ``[S, N, C]`` for the
            diagram of the posterior predictive.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: B, at least 1. The usual 15 is that of Guo et al.

    Returns:
        The diagram, empty bins left out.
    """
    num_bins = check_at_least_one(num_bins, "num_bins")
    confidence, correct = top_label(probabilities, labels)
    edges, index = assign_bins(confidence, num_bins)
    bins, index, count = np.unique(index, return_inverse=True, return_counts=True)
    hits = np.bincount(index, weights=correct)
    low, high = wilson_interval(hits, count)
    return ReliabilityDiagram(
        lower=edges[bins],
        upper=edges[bins + 1],
        count=count,
        confidence=np.bincount(index, weights=confidence) / count,
        accuracy=hits / count,
        accuracy_low=low,
        accuracy_high=high,
        num_bins=num_bins,
        num_examples=len(confidence),
    )


def assign_bins(
    values: NDArray[np.float64], num_bins: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Find the right-closed bin of equal width that holds each value.

    Args:
        values: Probabilities, in 0..1, ``[N]``.
        num_bins: B, at least 1.

    Returns:
        Edges of the bins, from 0 to 1, ``[B + 1]``, and indices of bins, ``[N]``.
    """
    # Quotients are the floats nearest to the edges, so that a confidence of 0.7 lies
    # on the edge 7/10; those of linspace can be one rounding off.
    edges = np.arange(num_bins + 1) / num_bins
    return edges, np.maximum(np.searchsorted(edges, values, side="left") - 1, 0)


def top_label(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Reduce each example to its predicted class: how confident, and whether right.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.

    Returns:
        The probability of the most probable class of the posterior predictive, in
        1/C..1, ``[N]``, and whether that class (the first of equals) is the true one,
        ``[N]``.
    """
    mean, labels = predictive_and_labels(probabilities, labels)
    return mean.max(axis=1), mean.argmax(axis=1) == labels
