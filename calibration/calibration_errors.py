"""How far probabilities are from frequencies, in one number with its interval.

*Symbols*: c_i the confidence of example i in its predicted class, y_i whether that
was the true one; in bin b of n_b examples conf_b and acc_b are their means, and the
*excess* is S_b = n_b (conf_b - acc_b)::

    expected     sum_b n_b / N |conf_b - acc_b|             bins of equal width
    adaptive     the same                                   bins of equal mass
    maximum      max_b |conf_b - acc_b|
    RMS          sqrt(sum_b n_b / N (conf_b - acc_b)^2)
    debiased     sqrt of RMS^2 - sum_b n_b / N acc_b (1 - acc_b) / (n_b - 1), if above 0
    class-wise   mean over classes of "expected", with c_i = p_i(class) of all examples
    kernel       sqrt(sum_ij (c_i - y_i) (c_j - y_j) exp(-|c_i - c_j| / 0.4)) / N
    overconf.    mean of c_i - y_i, signed
    ... error    sum_b n_b / N conf_b max(conf_b - acc_b, 0)

*Papers*: Naeini, Cooper and Hauskrecht (2015), AAAI 29:2901, and Guo et al. (2017),
arXiv:1706.04599, eqs. 3 and 5 (expected, maximum); Nixon et al. (2019),
arXiv:1904.01685 (adaptive); Kull et al. (2019), arXiv:1910.12656, section 2
(class-wise); Hendrycks et al. (2019), arXiv:1812.04606 (RMS); Kumar, Liang and Ma
(2019), arXiv:1909.10155, section 5 (debiased); Kumar, Sarawagi and Jain (2018), PMLR
80:2805 (kernel); Thulasidasan et al. (2019), arXiv:1905.11001 (overconfidence
error).

*Departures*: a bin with a single example has no unbiased estimate and adds nothing to
the debiased error. Nixon's adaptive error is class-wise; ours is that of the predicted
class.

All are biased upwards but the debiased error and the signed overconfidence: give N and
the number of bins beside them. Their intervals are for the error of the same bins with
endless examples, 0 included (`calibration._distances`). A bootstrap sees no noise where
all examples of a bin agree and are equally confident. Conventions of bins are those of
`calibration.reliability`.
"""

from functools import reduce
from operator import add

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._binned import (
    batches,
    binned_sums,
    debiased_squared_gap,
    effective_counts,
    farthest_gap,
    mean_gap,
    nearest_gap,
    promised_gap,
    squared_gap,
)
from calibration._checks import check_groups, predictive_and_labels
from calibration._distances import (
    WHOLE,
    Distance,
    Sums,
    distance,
    squared_distance,
    without_empty,
)
from calibration.intervals import WILSON, Estimate, deal, mean
from calibration.reliability import (
    Scheme,
    bin_edges,
    diagram,
    find_bins,
    top_label,
)

KERNEL_WIDTH = 0.4  # of Kumar, Sarawagi and Jain, in confidence

_KERNEL_CELLS = 200
_SIGNED = (-1.0, 1.0)


def expected_calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the mean gap between confidence and accuracy over bins of equal width.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of bins, at least 1.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals`.

    Returns:
        A fraction in 0..1; 0 is best.

    Raises:
        ValueError: If an argument is outside its range.
    """
    return _mean_gap_of_bins(probabilities, labels, num_bins, "width", groups)


def adaptive_calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the mean gap between confidence and accuracy over bins of equal mass.

    Examples of equal confidence share a bin, whatever their order, so that ties leave
    fewer bins; see `calibration.reliability`.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Largest number of bins, at least 1.
        groups: Cluster of each example, ``[N]``.

    Returns:
        A fraction in 0..1; 0 is best.

    Raises:
        ValueError: If an argument is outside its range.
    """
    return _mean_gap_of_bins(probabilities, labels, num_bins, "mass", groups)


def maximum_calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the largest gap between confidence and accuracy of any bin.

    However few examples that bin holds: the interval, of Wilson's for each bin (with
    Bonferroni's correction at the low end, which all of them must hold), shows it. The
    members of a cluster count there as one, as if they told nothing but the same.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of equal-width bins, at least 1.
        groups: Cluster of each example, ``[N]``.

    Returns:
        A fraction in 0..1; 0 is best.

    Raises:
        ValueError: If an argument is outside its range.
    """
    confidence, correct = top_label(probabilities, labels)
    bins = diagram(confidence, correct, num_bins)
    count = bins.count.astype(np.float64)
    if groups is not None:
        cell = find_bins(confidence, bin_edges(confidence, num_bins))
        count = effective_counts(cell, check_groups(groups, len(cell)))
    return Estimate(
        np.abs(bins.confidence - bins.accuracy).max(),
        low=nearest_gap(bins.confidence, bins.accuracy, count),
        high=farthest_gap(bins.confidence, bins.accuracy, count),
        count=bins.num_examples,
        method=WILSON,
    )


def classwise_calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the expected calibration error of each class's probability, averaged.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of equal-width bins of each class, at least 1.
        groups: Cluster of each example, ``[N]``.

    Returns:
        A fraction in 0..1; 0 is best. With many classes small, as most probabilities
        are near 0 and right to be.

    Raises:
        ValueError: If an argument is outside its range.
    """
    rows, labels = predictive_and_labels(probabilities, labels)
    group, edges = deal(len(rows), groups), bin_edges(rows[:, 0], num_bins)
    num_cells = rows.shape[1] * num_bins

    def part(classes: range) -> Distance:
        sums = [binned_sums(group, edges, rows[:, c], labels == c) for c in classes]
        return distance(
            np.concatenate(sums, axis=1),
            lambda sums: mean_gap(sums) * len(classes) / rows.shape[1],
            num_cells=num_cells,
        )

    whole = reduce(add, map(part, batches(rows.shape[1])))
    return whole.estimate(len(rows), whole.value)


def root_mean_square_calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the root of the mean squared gap between confidence and accuracy.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of equal-width bins, at least 1.
        groups: Cluster of each example, ``[N]``.

    Returns:
        A fraction in 0..1; 0 is best.

    Raises:
        ValueError: If an argument is outside its range.
    """
    sums = _top_label_sums(probabilities, labels, num_bins, groups)
    square = squared_distance(sums, squared_gap)
    return square.root(_size(sums), np.sqrt(square.value), square.value)


def debiased_calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the root-mean-square error without what chance alone puts into it.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of equal-width bins, at least 1.
        groups: Cluster of each example, ``[N]``; they widen the interval alone.

    Returns:
        A fraction in 0..1, 0 where chance explains all gaps. The interval is that of
        `root_mean_square_calibration_error`, which estimates the same number.

    Raises:
        ValueError: If an argument is outside its range.
    """
    sums = _top_label_sums(probabilities, labels, num_bins, groups)
    square = squared_distance(sums, squared_gap)
    debiased = max(float(debiased_squared_gap(sums.sum(axis=0))), 0.0)
    return square.root(_size(sums), np.sqrt(debiased), square.value)


def kernel_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None
) -> Estimate:
    """Return the maximum mean calibration error (MMCE), which needs no bins.

    Exact: sorting by confidence splits the double sum over examples, as its kernel is
    a product on either side of the diagonal. The bootstrap sums excesses in 200 bins.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        groups: Cluster of each example, ``[N]``.

    Returns:
        A number in 0..1; 0 is best.

    Raises:
        ValueError: If an argument is outside its range.
    """
    confidence, correct = top_label(probabilities, labels)
    edges = bin_edges(confidence, _KERNEL_CELLS)
    sums = without_empty(
        binned_sums(deal(len(confidence), groups), edges, confidence, correct)
    )
    cells = sums.sum(axis=0)
    centres = cells[:, 1] / cells[:, 0]
    kernel = np.exp(-np.abs(centres[:, None] - centres) / KERNEL_WIDTH)

    def square(sums: Sums) -> NDArray[np.float64]:
        excess, count = sums[..., -1], sums[..., 0].sum(axis=-1)
        return np.asarray(((excess @ kernel) * excess).sum(axis=-1) / count**2)

    exact = _squared_kernel_error(confidence, confidence - correct)
    found = squared_distance(sums, square)
    return found.root(len(confidence), np.sqrt(exact), exact)


def overconfidence(
    probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None
) -> Estimate:
    """Return the mean confidence less the accuracy.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        groups: Cluster of each example, ``[N]``.

    Returns:
        A number in -1..1: above 0 the model promises too much, below 0 too little.

    Raises:
        ValueError: If an argument is outside its range.
    """
    confidence, correct = top_label(probabilities, labels)
    return mean(confidence - correct, _SIGNED, groups)


def overconfidence_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the mean gap of bins that promise too much, weighted by the promise.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of equal-width bins, at least 1.
        groups: Cluster of each example, ``[N]``.

    Returns:
        A number in 0..1; 0 where no bin is overconfident.

    Raises:
        ValueError: If an argument is outside its range.
    """
    sums = _top_label_sums(probabilities, labels, num_bins, groups)
    found = distance(sums, promised_gap, step=WHOLE)
    return found.estimate(_size(sums), found.value)


def _mean_gap_of_bins(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int,
    scheme: Scheme,
    groups: ArrayLike | None,
) -> Estimate:
    confidence, correct = top_label(probabilities, labels)
    edges = bin_edges(confidence, num_bins, scheme)
    sums = binned_sums(deal(len(confidence), groups), edges, confidence, correct)
    # The diagram adds in another order: what is printed is its number to the last bit.
    value = diagram(confidence, correct, num_bins, scheme).ece
    return distance(sums, mean_gap).estimate(len(confidence), value)


def _top_label_sums(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int,
    groups: ArrayLike | None,
) -> Sums:
    confidence, correct = top_label(probabilities, labels)
    edges = bin_edges(confidence, num_bins)
    return binned_sums(deal(len(confidence), groups), edges, confidence, correct)


def _size(sums: Sums) -> int:
    return int(sums[..., 0].sum())


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
