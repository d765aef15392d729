"""The measures of detection on a pair of sets of scores; see `detection`."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from calibration.estimate import BOOTSTRAP, COVERAGE, WILSON, Estimate
from calibration.intervals import wilson_interval
from calibration.ood._score_pair import (
    MAX_THRESHOLDS,
    Counts,
    ScorePair,
    flagged,
    thin,
)

DELONG = "DeLong"

_Z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
_ROUNDING = 1e-12  # a standard error below it is none
_WORST_ERROR = 0.5  # of a detector that flags all, or nothing


def area(pair: ScorePair) -> Estimate:
    """The AUROC of a pair of sets."""
    x, y = pair.in_sorted, pair.out_sorted
    # Twice the placements are whole numbers, whose mean loses nothing.
    above_in = np.searchsorted(x, y, side="left") + np.searchsorted(x, y, side="right")
    above_out = np.searchsorted(y, x, side="left") + np.searchsorted(y, x, side="right")
    value = float(above_in.mean()) / (2 * len(x))
    if min(len(x), len(y)) < 2:
        return _as_proportion(value, pair)
    of_out, of_in = above_in / (2 * len(x)), above_out / (2 * len(y))
    variance = of_out.var(ddof=1) / len(y) + of_in.var(ddof=1) / len(x)
    return _on_logit_scale(value, math.sqrt(variance), pair, DELONG)


def precision_of_out(pair: ScorePair) -> Estimate:
    """The average precision of a pair of sets, OOD positive."""
    value = _average_precision(pair.in_sorted, pair.out_sorted)
    return _with_error(value, _average_precisions(*pair.replicates), pair)


def precision_of_in(pair: ScorePair) -> Estimate:
    """The average precision of a pair of sets, in-distribution positive."""
    value = _average_precision(-pair.out_sorted[::-1], -pair.in_sorted[::-1])
    inside, out = pair.replicates
    draws = _average_precisions(out[:, ::-1], inside[:, ::-1])
    return _with_error(value, draws, pair)


def false_positive_rate(pair: ScorePair, recall: float = 0.95) -> Estimate:
    """The false-positive rate of a pair of sets at a recall."""
    descending = pair.out_sorted[::-1]
    # Recalls are compared as quotients: a product such as 0.55 * 100 rounds to above
    # the whole number that it is, and would ask for one example too many.
    recalls = np.arange(1, len(descending) + 1) / len(descending)
    place = int(np.searchsorted(recalls, recall))
    false_alarms = pair.num_in - int(np.searchsorted(pair.in_sorted, descending[place]))
    # The threshold of a replicate is an OOD score near this one in rank, by
    # the standard deviation of a binomial: others need not be looked at.
    reach = 5 + math.ceil(5 * math.sqrt(recall * (1 - recall) * len(descending)))
    near = descending[max(place - reach, 0) : place + reach + 1][::-1]
    inside, out = pair.replicates_at(thin(np.unique(near), MAX_THRESHOLDS))
    first = np.argmax(_rates(out) >= recall, axis=1)
    draws = np.take_along_axis(_rates(inside), first[:, None], axis=1)[:, 0]
    estimate = pair.estimate(false_alarms / pair.num_in, draws)
    low, high = wilson_interval(false_alarms, pair.num_in)
    return _widened(estimate, float(low), float(high))


def smallest_error(pair: ScorePair) -> Estimate:
    """The detection error of a pair of sets."""
    x, y = pair.in_sorted, pair.out_sorted
    # Lowering a threshold from one OOD score towards the next only adds false alarms.
    false_alarms = len(x) - np.searchsorted(x, y)
    missed = np.searchsorted(y, y)
    errors = (false_alarms / len(x) + missed / len(y)) / 2
    best = int(errors.argmin())
    value, counts = float(errors[best]), [false_alarms[best], missed[best]]
    if value >= _WORST_ERROR:  # no better than to flag nothing
        value, counts = _WORST_ERROR, [0, len(y)]

    inside, out = pair.replicates
    draws = (_rates(inside) + 1 - _rates(out)).min(axis=1) / 2
    estimate = pair.estimate(value, draws, (0.0, _WORST_ERROR))
    sizes = np.array([len(x), len(y)])
    low, high = wilson_interval(counts, sizes)
    least = max(value - float(np.hypot(*(counts / sizes - low))) / 2, 0)
    most = min(value + float(np.hypot(*(high - counts / sizes))) / 2, _WORST_ERROR)
    # 1 - 2 value is the one-sided Kolmogorov-Smirnov statistic D: at chance it exceeds
    # d in a share exp(-2 d^2 N M / (N + M)) of experiments (Smirnov 1939).
    statistic = (1 - 2 * value) ** 2 * len(x) * len(y) / pair.count
    if math.exp(-2 * statistic) > (1 - COVERAGE) / 2:
        most = _WORST_ERROR
    return _widened(estimate, least, most)


def _average_precision(
    negatives: NDArray[np.float64], positives: NDArray[np.float64]
) -> float:
    """The mean over positives of the precision at their score; both sorted."""
    hits = len(positives) - np.searchsorted(positives, positives)
    false_alarms = len(negatives) - np.searchsorted(negatives, positives)
    return float((hits / (hits + false_alarms)).mean())


def _average_precisions(negatives: Counts, positives: Counts) -> NDArray[np.float64]:
    hits = flagged(positives)[:, 1:]
    both = hits + flagged(negatives)[:, 1:]
    precision = np.divide(hits, both, out=np.zeros_like(hits), where=both > 0)
    weighted: NDArray[np.float64] = (positives[:, ::-1] * precision).sum(axis=1)
    return weighted / hits[:, -1]


def _rates(counts: Counts) -> NDArray[np.float64]:
    """The share of examples that each threshold flags, from none to all."""
    numbers = flagged(counts)
    return numbers / numbers[:, -1:]


def _with_error(value: float, draws: NDArray[np.float64], pair: ScorePair) -> Estimate:
    if min(pair.num_in, pair.num_out) < 2:
        return _as_proportion(value, pair)
    return _on_logit_scale(value, float(draws[1:].std()), pair, BOOTSTRAP)


def _on_logit_scale(
    value: float, error: float, pair: ScorePair, method: str
) -> Estimate:
    if not 0 < value < 1 or error < _ROUNDING:
        return _as_proportion(value, pair)
    middle, half = logit(value), _Z * error / (value * (1 - value))
    low, high = float(expit(middle - half)), float(expit(middle + half))
    return Estimate(value, low=low, high=high, count=pair.count, method=method)


def _as_proportion(value: float, pair: ScorePair) -> Estimate:
    """Take the value for a proportion of as many trials as there are disjoint pairs."""
    trials = min(pair.num_in, pair.num_out)
    low, high = wilson_interval(value * trials, trials)
    return Estimate(
        value, low=float(low), high=float(high), count=pair.count, method=WILSON
    )


def _widened(estimate: Estimate, low: float, high: float) -> Estimate:
    return Estimate(
        float(estimate),
        low=min(low, estimate.low),
        high=max(high, estimate.high),
        count=estimate.count,
        method=estimate.method,
    )
