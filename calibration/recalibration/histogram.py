"""Histogram binning: the share of hits in each bin of probability.

*Paper*: Zadrozny and Elkan (2001), ICML, p. 609; Guo et al. (2017), arXiv:1706.04599,
section 4.1. One class against the rest, rows divided by their sum.

*Conventions*: bins are those of reliability diagrams (`calibration._bins`). Equal width
is the default: with C classes most probabilities are near 0, and bins of equal mass
leave few for the confident predictions.

*Departure*: a bin in which a class never occurred would give exactly 0, and one test
example of it would cost 708 nats. Hence the prior examples (`smoothing`), which have
the rate that the bin's own middle says: a bin with few examples stays near the
uncalibrated probability, and an empty one, with or without smoothing, gives the middle.
"""

import numpy as np
from numpy.typing import NDArray

from calibration._bins import Scheme, bin_edges, find_bins
from calibration._checks import check_at_least_one
from calibration.recalibration.base import Array, OneVsRest, check_not_negative


class HistogramBinning(OneVsRest):
    """A step map for each class, one against the rest.

    Args:
        num_bins: B, at least 1.
        equal_mass: Whether bins hold equally many fitting examples, rather than being
            equally wide.
        smoothing: Number of prior examples in each bin, at least 0. With 0,
            probabilities can be exactly 0, and a row in which all are 0 is left
            uncalibrated.

    Attributes:
        edges_: Edges of B' <= B bins from 0 to 1, ``[B' + 1]`` for each class.
        rates_: Recalibrated probability in each bin, ``[B']`` for each class.
    """

    edges_: list[Array]
    rates_: list[Array]

    def __init__(
        self, num_bins: int = 15, equal_mass: bool = False, smoothing: float = 1.0
    ) -> None:
        self.num_bins = num_bins
        self.equal_mass = equal_mass
        self.smoothing = smoothing

    def _needed_examples(self, num_classes: int) -> int:
        return max(
            check_at_least_one(self.num_bins, "num_bins"),
            super()._needed_examples(num_classes),
        )

    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:
        num_bins = check_at_least_one(self.num_bins, "num_bins")
        smoothing = check_not_negative(self.smoothing, "smoothing")
        columns = range(scores.shape[1])
        scheme: Scheme = "mass" if self.equal_mass else "width"
        self.edges_ = [bin_edges(scores[:, k], num_bins, scheme) for k in columns]
        self.rates_ = [
            _rates(self.edges_[k], scores[:, k], labels == k, smoothing, num_bins)
            for k in columns
        ]
        return sum(map(len, self.rates_))

    def _map(self, index: int, scores: Array) -> Array:
        return self.rates_[index][find_bins(scores, self.edges_[index])]


def _rates(
    edges: Array,
    scores: Array,
    hits: NDArray[np.bool_],
    smoothing: float,
    num_bins: int,
) -> Array:
    """Share of hits in each bin, prior examples included."""
    index, size = find_bins(scores, edges), len(edges) - 1
    count = np.bincount(index, minlength=size)
    successes = np.bincount(index, hits, minlength=size)
    middles = np.convolve(edges, [0.5, 0.5], "valid")
    # Bins of equal mass can have a middle next to 0, or even at 0, which is too sure.
    middles = middles.clip(0.5 / num_bins, 1 - 0.5 / num_bins)
    weight = count + smoothing
    # An empty bin without prior examples: any weight gives the middle itself.
    prior = np.where(weight > 0, smoothing, 1.0)
    rates: Array = (successes + prior * middles) / np.maximum(weight, prior)
    return rates
