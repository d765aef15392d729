"""What charts of detection draw: ROC and precision-recall curves, and histograms.

Conventions are those of `calibration.ood.detection`. A curve of a million examples has
a point for each, which no chart can use: of too many points those are kept that lie
evenly along the curve, both ends included.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one
from calibration.ood._score_pair import ScorePair, check_scores


@dataclass(frozen=True, kw_only=True, eq=False)
class RocCurve:
    """Rates of flagged examples as the threshold falls, in P points.

    Args:
        false_positive_rate: Of in-distribution examples, from 0 to 1, ``[P]``.
        true_positive_rate: Of OOD examples, from 0 to 1, ``[P]``.
        threshold: Examples with at least this score are flagged, decreasing; the first
            is just above all scores and flags nothing, ``[P]``.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    threshold: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PrecisionRecallCurve:
    """Precision against recall of OOD examples as the threshold falls, in P points.

    Args:
        recall: Fraction of the OOD examples flagged, increasing to 1, ``[P]``.
        precision: Fraction of OOD examples among the flagged, in 0..1, ``[P]``.
        threshold: Examples with at least this score are flagged, decreasing, ``[P]``.
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    threshold: NDArray[np.float64]


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


def roc_curve(
    in_scores: ArrayLike, out_scores: ArrayLike, max_points: int = 500
) -> RocCurve:
    """Draw the rate of recalled OOD examples against that of false alarms.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.
        max_points: Most points to return, at least 2.

    Returns:
        A curve from (0, 0) to (1, 1).
    """
    max_points = _check_points(max_points)
    pair = ScorePair(in_scores, out_scores)
    scores = np.union1d(pair.in_sorted, pair.out_sorted)[::-1]
    nothing = np.nextafter(scores[0], np.inf)
    threshold = np.concatenate([[nothing], scores])
    fpr = _flagged(pair.in_sorted, threshold) / pair.num_in
    tpr = _flagged(pair.out_sorted, threshold) / pair.num_out
    kept = _evenly(fpr + tpr, max_points)
    return RocCurve(
        false_positive_rate=fpr[kept],
        true_positive_rate=tpr[kept],
        threshold=threshold[kept],
    )


def precision_recall_curve(
    in_scores: ArrayLike, out_scores: ArrayLike, max_points: int = 500
) -> PrecisionRecallCurve:
    """Draw the precision of flagging OOD examples against its recall.

    There is a point for each distinct OOD score: a threshold between two of them only
    adds false alarms. No point at recall 0 is made up. With all points, precision
    times the recall that each adds sums to `aupr_out`. For in-distribution as the
    positive class pass ``-out_scores, -in_scores``.

    Args:
        in_scores: Scores of in-distribution examples, ``[N]``.
        out_scores: Scores of OOD examples, ``[M]``.
        max_points: Most points to return, at least 2.

    Returns:
        A curve from the highest OOD score to recall 1.
    """
    max_points = _check_points(max_points)
    pair = ScorePair(in_scores, out_scores)
    threshold = np.unique(pair.out_sorted)[::-1]
    hits = _flagged(pair.out_sorted, threshold)
    precision = hits / (hits + _flagged(pair.in_sorted, threshold))
    recall = hits / pair.num_out
    kept = _evenly(recall, max_points)
    return PrecisionRecallCurve(
        recall=recall[kept], precision=precision[kept], threshold=threshold[kept]
    )


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
    in_scores = check_scores(in_scores, "in_scores")
    out_scores = check_scores(out_scores, "out_scores")
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


def _check_points(max_points: int) -> int:
    if check_at_least_one(max_points, "max_points") == 1:
        raise ValueError("max_points must be at least 2, one for each end, got 1.")
    return int(max_points)


def _flagged(
    ascending: NDArray[np.float64], threshold: NDArray[np.float64]
) -> NDArray[np.intp]:
    return len(ascending) - np.searchsorted(ascending, threshold)


def _evenly(position: NDArray[np.float64], max_points: int) -> NDArray[np.intp]:
    """Indices of at most that many points, even in an increasing position."""
    last = len(position) - 1
    if last < max_points:
        return np.arange(last + 1)
    targets = np.linspace(position[0], position[-1], max_points)
    kept: NDArray[np.intp] = np.searchsorted(position, targets)
    # Rounding may put the last target past the last point, and the first flat stretch
    # must not swallow either end.
    kept = np.minimum(kept, last)
    kept[0], kept[-1] = 0, last
    return np.unique(kept)
