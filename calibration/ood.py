"""How well a score tells examples from outside the training distribution.

*Conventions*: a larger score means more out of distribution, and out of distribution
(OOD) is the positive class. The other choice of positive class gives another FPR95 for
the same scores, so every report prints `FPR95_DEFINITION`.

*Papers*: Hanley and McNeil (1982), Radiology 143:29 (the area as a probability);
Hendrycks and Gimpel (2017), arXiv:1610.02136 (the task).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one

FPR95_DEFINITION = (
    "FPR95 is the fraction of in-distribution examples wrongly flagged at the highest "
    "score threshold that flags at least 95 % of the out-of-distribution examples; "
    "out of distribution is the positive class."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreHistogram:
    """Two sets of scores counted in the same B bins.

    Args:
        edges: Edges of the bins, increasing, in the unit of the score, ``[B + 1]``.
        in_distribution: Number of in-distribution examples, ``[B]``.
        out_of_distribution: Number of OOD examples, ``[B]``.
    """

    edges: NDArray[np.float64]
    in_distribution: NDArray[np.intp]
    out_of_distribution: NDArray[np.intp]


def auroc(in_scores: ArrayLike, out_scores: ArrayLike) -> float:
    """Return P(an OOD score exceeds an in-distribution score), ties counting half.

    That probability is the area under the ROC curve.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.

    Returns:
        An area in 0..1; 1 separates the two, 0.5 is chance.
    """
    in_scores = np.sort(_check_scores(in_scores, "in_scores"))
    out_scores = _check_scores(out_scores, "out_scores")
    below = np.searchsorted(in_scores, out_scores, side="left")
    below_or_equal = np.searchsorted(in_scores, out_scores, side="right")
    return float((below + below_or_equal).mean()) / (2 * len(in_scores))


def fpr_at_recall(
    in_scores: ArrayLike, out_scores: ArrayLike, recall: float = 0.95
) -> float:
    """Return the false-positive rate at the threshold that recalls enough OOD data.

    An example is flagged when its score is at least the threshold, the highest one
    that flags `recall` of the OOD examples or more.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.
        recall: Fraction of OOD examples to flag, above 0 and at most 1.

    Returns:
        The fraction of in-distribution examples flagged, in 0..1; 0 is best.

    Raises:
        ValueError: If recall is outside its range, or scores are empty or not finite.
    """
    if not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, got {recall}.")
    in_scores = _check_scores(in_scores, "in_scores")
    descending = np.sort(_check_scores(out_scores, "out_scores"))[::-1]
    # Recalls are compared as quotients: a product such as 0.55 * 100 rounds to above
    # the whole number that it is, and would ask for one example too many.
    recalls = np.arange(1, len(descending) + 1) / len(descending)
    threshold = descending[np.searchsorted(recalls, recall)]
    return float((in_scores >= threshold).mean())


def score_histogram(
    in_scores: ArrayLike, out_scores: ArrayLike, num_bins: int = 40
) -> ScoreHistogram:
    """Count both sets of scores in bins of equal width over their common range.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.
        num_bins: Number of bins, at least 1.

    Returns:
        The shared edges, and how many of each set lie between them.
    """
    num_bins = check_at_least_one(num_bins, "num_bins")
    in_scores = _check_scores(in_scores, "in_scores")
    out_scores = _check_scores(out_scores, "out_scores")
    low = min(in_scores.min(), out_scores.min())
    high = max(in_scores.max(), out_scores.max())
    scale = max(1.0, abs(low), abs(high))
    if high - low <= 1e-12 * scale:
        # One value up to rounding: NumPy has no bins narrow enough, and nobody wants
        # a chart of float noise.
        low, high = low - scale / 2, high + scale / 2
    edges = np.linspace(low, high, num_bins + 1)
    return ScoreHistogram(
        edges=edges,
        in_distribution=np.histogram(in_scores, edges)[0],
        out_of_distribution=np.histogram(out_scores, edges)[0],
    )


def _check_scores(scores: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{name} must be a non-empty vector, got shape {array.shape}. "
            "Both in-distribution and OOD examples are needed."
        )
    finite = np.isfinite(array)
    if not finite.all():
        index = int(np.argmin(finite))
        raise ValueError(f"{name} must be finite, got {array[index]} at index {index}.")
    return array
