"""How well a score tells examples from outside the training distribution.

*Conventions*: a larger score means more out of distribution, and out of distribution
(OOD) is the positive class. The other choice of positive class gives another FPR95 for
the same scores, so every report prints `FPR95_DEFINITION`. An example is flagged when
its score is at least the threshold, so that ties are flagged together.

*Papers*: Hanley and McNeil (1982), Radiology 143:29 (the area as a probability);
DeLong et al. (1988), Biometrics 44:837, eqs. 4-6 (its variance); Hendrycks and Gimpel
(2017), arXiv:1610.02136 (the task, AUPR both ways); Liang et al. (2018),
arXiv:1706.02690, section 4.3 (FPR95, detection error).

*Symbols* (N in-distribution scores x_i, M OOD scores y_j, psi 1 where y > x, 1/2 at a
tie, else 0)::

    A = mean_ij psi(x_i, y_j)                           the AUROC
    a_j = mean_i psi(x_i, y_j), b_i = mean_j psi(x_i, y_j)   placements
    Var(A) = var(a) / M + var(b) / N                    DeLong

*Departures*: intervals of the three areas are taken on the logit scale, which keeps
them inside 0..1 and their coverage near 95 % for small sets; the error of AUPR is that
of a bootstrap of both sets, independently of each other. Where scores separate the sets
or are all equal there is no error to see, and where a set is one example no variance;
the interval is then Wilson's for min(N, M) independent pairs, since Var(A) <= A (1 - A)
/ min(N, M) (Birnbaum and Klose 1957, Ann. Math. Statist. 28:933). FPR95 and detection
error have a percentile bootstrap, made no narrower than closed forms that hold for a
fixed threshold.
"""

from numpy.typing import ArrayLike

from calibration.estimate import Estimate
from calibration.ood._measures import (
    area,
    false_positive_rate,
    precision_of_in,
    precision_of_out,
    smallest_error,
)
from calibration.ood._score_pair import ScorePair


def auroc(in_scores: ArrayLike, out_scores: ArrayLike) -> Estimate:
    """Return P(an OOD score exceeds an in-distribution score), ties counting half.

    That probability is the area under the ROC curve.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.

    Returns:
        An area in 0..1; 1 separates the two, 0.5 is chance. The interval is DeLong's,
        or Wilson's where there is no variance: see the module.
    """
    return area(ScorePair(in_scores, out_scores))


def aupr_out(in_scores: ArrayLike, out_scores: ArrayLike) -> Estimate:
    """Return the average precision, with OOD as the positive class.

    Each threshold's precision is weighted by the recall it adds, a sum of steps, as in
    `sklearn.metrics.average_precision_score`; trapezoids between the points, as some
    libraries draw them, would be optimistic. Chance is M / (N + M), so the number
    depends on how many examples of each kind there are.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.

    Returns:
        A precision above 0 and at most 1; 1 separates the two. The interval is a
        bootstrap, or Wilson's where resampling changes nothing: see the module.
    """
    return precision_of_out(ScorePair(in_scores, out_scores))


def aupr_in(in_scores: ArrayLike, out_scores: ArrayLike) -> Estimate:
    """Return the average precision, with in-distribution as the positive class.

    Scores are negated for it, so that a low score speaks for the positive class. See
    `aupr_out`; chance is N / (N + M).

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.

    Returns:
        A precision above 0 and at most 1; 1 separates the two. Interval as `aupr_out`.
    """
    return precision_of_in(ScorePair(in_scores, out_scores))


def fpr_at_recall(
    in_scores: ArrayLike, out_scores: ArrayLike, recall: float = 0.95
) -> Estimate:
    """Return the false-positive rate at the threshold that recalls enough OOD data.

    An example is flagged when its score is at least the threshold, the highest one
    that flags `recall` of the OOD examples or more.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.
        recall: Fraction of OOD examples to flag, above 0 and at most 1.

    Returns:
        The fraction of in-distribution examples flagged, in 0..1; 0 is best. The
        interval is a bootstrap, and never narrower than Wilson's at this threshold.

    Raises:
        ValueError: If recall is outside its range, or scores are empty or not finite.
    """
    if not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, got {recall}.")
    return false_positive_rate(ScorePair(in_scores, out_scores), recall)


def detection_error(in_scores: ArrayLike, out_scores: ArrayLike) -> Estimate:
    """Return the smallest (FPR + FNR) / 2 that any threshold reaches.

    It is the error of the best threshold where both kinds of example are equally
    common, whatever N and M are.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.

    Returns:
        An error in 0..0.5; 0 separates the two, 0.5 is chance. The interval is a
        bootstrap, and never narrower than that of two proportions at this threshold
        (Newcombe 1998, Statist. Med. 17:873, method 10). The smallest of many errors
        is too low by chance, so the interval reaches 0.5 where a one-sided
        Kolmogorov-Smirnov test at 2.5 % would not tell the two sets apart.
    """
    return smallest_error(ScorePair(in_scores, out_scores))
