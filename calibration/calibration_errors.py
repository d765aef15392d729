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

from numpy.typing import ArrayLike

from calibration._errors import (
    adaptive_error,
    classwise_error,
    debiased_error,
    expected_error,
    kernel_error,
    maximum_error,
    promised_error,
    root_mean_square_error,
    signed_error,
)
from calibration._predictions import Judged
from calibration.estimate import Estimate


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
    return expected_error(Judged(probabilities, labels, groups), num_bins)


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
    return adaptive_error(Judged(probabilities, labels, groups), num_bins)


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
    return maximum_error(Judged(probabilities, labels, groups), num_bins)


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
    return classwise_error(Judged(probabilities, labels, groups), num_bins)


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
    return root_mean_square_error(Judged(probabilities, labels, groups), num_bins)


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
    return debiased_error(Judged(probabilities, labels, groups), num_bins)


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
    return kernel_error(Judged(probabilities, labels, groups))


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
    return signed_error(Judged(probabilities, labels, groups))


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
    return promised_error(Judged(probabilities, labels, groups), num_bins)
