"""Sums over the examples of bins, and the calibration errors that are made of them.

Formulas take sums ``[..., B, k]`` and return ``[...]``, so that the number itself and
all replicates of its bootstrap come from the same one. Columns are the count, the
confidence and, last, the excess (confidence less correctness). In a bootstrap a bin can
be empty, where it counts nothing.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from calibration._bins import find_bins
from calibration._distances import Sums
from calibration.bootstrap import sums_by_group
from calibration.estimate import COVERAGE
from calibration.intervals import wilson_interval

Values = NDArray[np.float64]

MOST_ALIKE = 0.5  # two groups of equal size
CLASSES_AT_ONCE = 32  # few in memory, many for a product of matrices to be fast


def binned_sums(
    group: NDArray[np.intp],
    edges: Values,
    confidence: Values,
    correct: NDArray[np.bool_],
) -> Sums:
    """Count, confidence and excess of each group and bin, ``[G, B, 3]``."""
    bins = find_bins(confidence, edges)
    columns = (None, confidence, confidence - correct)
    return sums_by_group(group, bins, len(edges) - 1, *columns)


def batches(num_classes: int) -> Iterator[range]:
    """Classes in runs of at most `CLASSES_AT_ONCE`."""
    for start in range(0, num_classes, CLASSES_AT_ONCE):
        yield range(start, min(start + CLASSES_AT_ONCE, num_classes))


def mean_gap(sums: Sums) -> Values:
    """sum_b n_b / N |conf_b - acc_b|."""
    return per_example(np.abs(sums[..., -1]), sums[..., 0])


def squared_gap(sums: Sums) -> Values:
    """sum_b n_b / N (conf_b - acc_b)^2."""
    return per_example(share(sums[..., -1] ** 2, sums[..., 0]), sums[..., 0])


def debiased_squared_gap(sums: Sums) -> Values:
    """The same, less what chance adds to each bin's square; can be below 0."""
    count, confidence, excess = np.moveaxis(sums, -1, 0)
    accuracy = share(confidence - excess, count)
    chance = share(count * accuracy * (1 - accuracy), count - 1)
    squares = np.where(count > 1, share(excess**2, count) - chance, 0.0)
    return per_example(squares, count)


def promised_gap(sums: Sums) -> Values:
    """sum_b n_b / N conf_b max(conf_b - acc_b, 0)."""
    count, confidence, excess = np.moveaxis(sums, -1, 0)
    return per_example(share(confidence, count) * np.maximum(excess, 0.0), count)


def per_example(cells: Values, counts: Values) -> Values:
    """The sum over cells divided by the number of examples."""
    return np.asarray(cells.sum(axis=-1) / counts.sum(axis=-1))


def share(part: Values, whole: Values) -> Values:
    """Part / whole, and 0 where the whole is not above 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def expected_gaps(sums: Sums, sizes: Values) -> Values:
    """The mean of the absolute excess that chance gives each bin of a calibrated model.

    The mean absolute deviation of a binomial (de Moivre; Diaconis and Zabell 1991,
    Stat. Sci. 6:284, eq. 1.1) with the bin's mean confidence: a few rare events deviate
    otherwise than a normal does.

    Args:
        sums: Sums of each group and bin: count, confidence and excess, ``[G, K, 3]``.
        sizes: Examples that count as one, at least 1, ``[K]``.

    Returns:
        Numbers of examples, ``[K]``.
    """
    count, confidence, _ = sums.sum(axis=0).T
    trials = count / sizes
    p = share(confidence, count).clip(1e-300, 1 - 1e-15)
    least = np.floor(trials * p) + 1
    logs = (
        gammaln(trials + 1)
        - gammaln(least)
        - gammaln(np.maximum(trials - least + 1, 1e-9))
        + least * np.log(p)
        + (trials - least + 1) * np.log1p(-p)
    )
    return np.asarray(2 * np.exp(logs) * sizes)


def squared_noise(sums: Sums, sizes: Values, chance: Values) -> Values:
    """The mean of the square that chance adds to each bin's excess.

    That of the residuals of independent groups, which is without bias where a bin has
    members of two or more; else that of a calibrated model.

    Args:
        sums: Count and excess of each group and bin, ``[G, K, 2]``.
        sizes: Examples that count as one, ``[K]``.
        chance: Variance of the excess of a calibrated model's bin, if all its examples
            were independent, ``[K]``.

    Returns:
        Squares of numbers of examples, ``[K]``.
    """
    count, excess = np.moveaxis(sums, -1, 0)
    total = count.sum(axis=0)
    rest = excess - count * share(excess.sum(axis=0), total)
    alike = share((count**2).sum(axis=0), total**2)  # 1 / Kish's effective groups
    seen = share((rest**2).sum(axis=0), 1 - alike)
    return np.where(alike <= MOST_ALIKE, seen, chance * sizes)


def effective_counts(bins: NDArray[np.intp], cluster: NDArray[np.intp]) -> Values:
    """Independent examples in each bin that holds any, if clusters agree within.

    Kish's effective size: m examples of each of k clusters are k, not k m.
    """
    num_bins = int(bins.max()) + 1
    cells, members = np.unique(cluster * num_bins + bins, return_counts=True)
    count = np.bincount(cells % num_bins, members)
    squares = np.bincount(cells % num_bins, members.astype(np.float64) ** 2)
    return np.asarray(count[count > 0] ** 2 / squares[count > 0])


def nearest_gap(confidence: Values, accuracy: Values, count: Values) -> float:
    """The largest gap at least, if every bin's accuracy lies in its interval.

    97.5 % of the time they all do, by Bonferroni's inequality.
    """
    miss = (1 - COVERAGE) / 2 / len(count)
    low, high = wilson_interval(accuracy * count, count, 1 - miss)
    return float(np.maximum(low - confidence, confidence - high).clip(0).max())


def farthest_gap(confidence: Values, accuracy: Values, count: Values) -> float:
    """The largest gap at most: whichever bin has it, its interval alone must hold."""
    low, high = wilson_interval(accuracy * count, count)
    return float(np.maximum(confidence - low, high - confidence).max())
