"""Predictions that were checked once, and what several measures need of them.

Measures are functions of these objects. The public ones make one of the arrays they
are given; whoever takes many measures makes one for all.
"""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._binned import binned_sums
from calibration._bins import Scheme, bin_edges
from calibration._checks import (
    as_array,
    check_at_least_one,
    check_groups,
    check_labels,
    predictive,
)
from calibration._distances import Sums
from calibration.bootstrap import MAX_GROUPS, deal
from calibration.intervals import beyond_normal, effective_size

Values = NDArray[np.float64]

_ROUNDING = 16 * float(np.finfo(np.float64).eps)


class Predicted:
    """Class probabilities of N examples.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        name: What to call them in an error.

    Attributes:
        samples: The probabilities as they were given.
        rows: The posterior predictive, the mean over samples, ``[N, C]``.
    """

    def __init__(self, probabilities: ArrayLike, name: str = "probabilities") -> None:
        self.samples = as_array(probabilities, name)
        self.rows = predictive(self.samples, name)

    @property
    def num_samples(self) -> int:
        """S, 1 for a single model."""
        return len(self.samples) if self.samples.ndim == 3 else 1

    @cached_property
    def total(self) -> Values:
        """Entropy of the posterior predictive in nats, ``[N]``."""
        return entropy_of(self.rows)

    @cached_property
    def expected(self) -> Values:
        """Mean entropy of the samples in nats, ``[N]``."""
        if self.samples.ndim == 2:
            return self.total.copy()
        # One sample at a time: a float64 copy of all S could outgrow the memory.
        nats: Values = np.mean([entropy_of(each) for each in self.samples], axis=0)
        return nats

    @cached_property
    def mutual_information(self) -> Values:
        """Total less expected entropy, at least 0, ``[N]``.

        What rounding alone can make of samples that agree counts as 0, lest detectors
        and rankings tell examples apart by it.
        """
        nats = self.total - self.expected
        nats[nats < _ROUNDING * np.maximum(self.total, 1.0)] = 0.0
        return nats

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """The most probable class, the first of equals, ``[N]``."""
        return np.asarray(self.rows.argmax(axis=1))

    @cached_property
    def confidence(self) -> Values:
        """The probability of the predicted class, in 1/C..1, ``[N]``."""
        return self.rows[np.arange(len(self.rows)), self.predicted]


class Judged(Predicted):
    """Class probabilities with what was true.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals`.
        name: What to call the probabilities in an error.

    Attributes:
        labels: Class indices, ``[N]``.
        groups: Numbers 0..G-1 of the clusters, ``[N]``, or None.
    """

    def __init__(
        self,
        probabilities: ArrayLike,
        labels: ArrayLike,
        groups: ArrayLike | None = None,
        name: str = "probabilities",
    ) -> None:
        super().__init__(probabilities, name)
        self.labels = check_labels(labels, *self.rows.shape)
        self.groups = None if groups is None else check_groups(groups, self.count)
        self._binned: dict[tuple[int, Scheme], Sums] = {}

    @property
    def count(self) -> int:
        """N."""
        return len(self.labels)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the true one, ``[N]``."""
        return np.asarray(self.predicted == self.labels)

    @cached_property
    def dealt(self) -> NDArray[np.intp]:
        """Group of each example that a bootstrap resamples, ``[N]``."""
        return deal(self.count, self.groups)

    @cached_property
    def unseen(self) -> tuple[float, float]:
        """How far the accuracy may be lower, and higher, that resampling cannot see."""
        size = float(self.count)
        if self.groups is not None:
            hits, counts = np.bincount(self.groups, self.correct), self.sizes
            size = effective_size(hits, counts)
        return beyond_normal(float(self.correct.mean()), size)

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """Examples of each cluster, ``[G]``, each its own without clusters."""
        members = np.arange(self.count) if self.groups is None else self.groups
        return np.bincount(members)

    def cluster_sizes(self, sums: Sums) -> Values:
        """Examples that count as one in each cell, as if clusters agreed within.

        Args:
            sums: Sums of each bootstrap group and cell, the count first, ``[G, K, k]``.

        Returns:
            Mean size of the cluster of an example within the cell, at least 1, ``[K]``.
        """
        count = sums[..., 0]
        total = np.maximum(count.sum(axis=0), 1.0)
        if self.groups is None:
            return np.ones_like(total)
        if len(self.sizes) <= MAX_GROUPS:  # a bootstrap group is a cluster
            return np.asarray(np.maximum((count**2).sum(axis=0) / total, 1.0))
        # Clusters dealt at random: their squares add up to the variance of the deal.
        squares = count.var(axis=0, ddof=1) * len(count)
        return np.asarray(np.maximum(squares / total, 1.0))

    def binned(self, num_bins: int, scheme: Scheme = "width") -> Sums:
        """Count, confidence and excess of each group and bin, ``[G, B', 3]``."""
        key = check_at_least_one(num_bins, "num_bins"), scheme
        if key not in self._binned:
            edges = bin_edges(self.confidence, *key)
            self._binned[key] = binned_sums(
                self.dealt, edges, self.confidence, self.correct
            )
        return self._binned[key]


def entropy_of(rows: NDArray[np.floating]) -> Values:
    """Shannon entropy over the last axis of checked probabilities, 0 log 0 = 0."""
    probabilities = np.asarray(rows, np.float64)
    logs = np.zeros_like(probabilities)
    np.log(probabilities, out=logs, where=probabilities > 0)
    # Rounding in float32 can leave a row a little above one, and its entropy below 0.
    nats: Values = np.maximum(-(probabilities * logs).sum(axis=-1), 0.0)
    return nats
