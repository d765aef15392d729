"""Reliability diagrams: are predictions of 80 % confidence right 80 % of the time?

Of which confidence? Of the *top label*, the predicted class (Guo et al. 2017); of one
class, right or wrong predicted (*one-vs-rest*: Kull et al. 2019); or *confidence-wise*
of all N * C probabilities, each of which promises its own class.

*Papers*: Guo et al. (2017), arXiv:1706.04599, eqs. 1-3 (top-label confidence, equal
width bins, expected calibration error); Nguyen and O'Connor (2015), arXiv:1508.05154,
section 3 (equal-mass bins); Kull et al. (2019), arXiv:1910.12656, section 2 (by class);
Wilson (1927), JASA 22:209 (the interval).

*Conventions*: bins are those of `calibration._bins`: right-closed, of equal width or of
equal mass, where examples of equal confidence share a bin. Bins without an example are
left out, rather than given a number nobody observed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._bins import Scheme, bin_edges, find_bins
from calibration._checks import predictive_and_labels
from calibration._predictions import Judged
from calibration.intervals import wilson_interval


@dataclass(frozen=True, kw_only=True, eq=False)
class ReliabilityDiagram:
    """Confidence against accuracy in the B' <= B bins that hold an example.

    "Accuracy" is how often what the confidence promises came true; in the diagram of
    one class, how often that class was the true one.

    Args:
        lower: Lower edge, exclusive but for 0, ``[B']``.
        upper: Upper edge, inclusive, ``[B']``.
        count: Number of examples, at least 1, ``[B']``.
        confidence: Mean confidence, ``[B']``.
        accuracy: Fraction that came true, ``[B']``.
        accuracy_low: Lower end of the 95 % Wilson interval of accuracy, ``[B']``.
        accuracy_high: Upper end of the same, ``[B']``.
        num_bins: B, the empty bins and those that ties merged included.
        num_examples: N, the sum of the counts (N * C, confidence-wise).
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
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    scheme: Scheme = "width",
) -> ReliabilityDiagram:
    """Sort predictions into bins of confidence in the predicted class.

    Args:
        probabilities: Class probabilities, ``[N, C]``, or ``[S, N, C]`` for the
            diagram of the posterior predictive.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: B, at least 1. The usual 15 is that of Guo et al.
        scheme: "width" for bins of equal width, "mass" for bins of equally many
            examples; see the module on ties.

    Returns:
        The diagram, empty bins left out.

    Raises:
        ValueError: If an argument is outside its range.
    """
    judged = Judged(probabilities, labels)
    return diagram(judged.confidence, judged.correct, num_bins, scheme)


def class_reliability_diagrams(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    scheme: Scheme = "width",
) -> list[ReliabilityDiagram]:
    """Make one diagram a class: its probability against how often it is true.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: B, at least 1.
        scheme: "width" or "mass"; bins of equal mass are those of each class.

    Returns:
        C diagrams of all N examples each.

    Raises:
        ValueError: If an argument is outside its range.
    """
    mean, labels = predictive_and_labels(probabilities, labels)
    return [
        diagram(column, labels == c, num_bins, scheme)
        for c, column in enumerate(mean.T)
    ]


def confidence_diagram(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    scheme: Scheme = "width",
) -> ReliabilityDiagram:
    """Sort all probabilities into bins, each against how often its class is true.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: B, at least 1.
        scheme: "width" or "mass".

    Returns:
        The diagram of N * C pairs. Its intervals take them for independent, which
        those of one example are not quite: they sum to 1.

    Raises:
        ValueError: If an argument is outside its range.
    """
    mean, labels = predictive_and_labels(probabilities, labels)
    edges = bin_edges(mean.ravel(), num_bins, scheme)
    # By class: indices and hits of all pairs at once could outgrow the memory.
    sums = sum(_sums(edges, column, labels == c) for c, column in enumerate(mean.T))
    return _of_sums(edges, np.asarray(sums), int(num_bins))


def diagram(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    num_bins: int,
    scheme: Scheme = "width",
) -> ReliabilityDiagram:
    """Make the diagram of any probabilities of something that came true or not.

    Args:
        confidence: Probabilities, in 0..1, ``[N]``.
        correct: Whether it came true, ``[N]``.
        num_bins: B, at least 1.
        scheme: "width" or "mass".

    Returns:
        The diagram, empty bins left out.
    """
    edges = bin_edges(confidence, num_bins, scheme)
    return _of_sums(edges, _sums(edges, confidence, correct), int(num_bins))


def _sums(
    edges: NDArray[np.float64],
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Count, confidence and hits of each bin, ``[3, B]``."""
    index, size = find_bins(confidence, edges), len(edges) - 1
    columns = (None, confidence, correct)
    return np.stack(
        [np.bincount(index, weights, size) for weights in columns], dtype=np.float64
    )


def _of_sums(
    edges: NDArray[np.float64], sums: NDArray[np.float64], num_bins: int
) -> ReliabilityDiagram:
    held = sums[0] > 0
    count, confidence, hits = sums[:, held]
    low, high = wilson_interval(hits, count)
    return ReliabilityDiagram(
        lower=edges[:-1][held],
        upper=edges[1:][held],
        count=count.astype(np.intp),
        confidence=confidence / count,
        accuracy=hits / count,
        accuracy_low=low,
        accuracy_high=high,
        num_bins=num_bins,
        num_examples=int(count.sum()),
    )
