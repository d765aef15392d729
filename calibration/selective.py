"""Selective prediction in single numbers: how good is refusing uncertain examples?

Risk, coverage and what becomes of ties are those of `calibration.risk_coverage`.

*Papers*: Geifman and El-Yaniv (2017), arXiv:1705.08500 (risk and coverage); Geifman,
Uziel and El-Yaniv (2019), arXiv:1805.08206 (AURC, the mean risk over the coverages
k/N, and its excess over the best); Jaeger et al. (2023), arXiv:2211.15259 (AURC as the
measure of failure detection); Traub et al. (2024), arXiv:2407.01032 (AUGRC, because
AURC weighs errors at low coverage many times over).

*Conventions*: AUGRC is the area under the straight lines between the points k/N, from
0, which makes it exactly ``(1 - AUROC) accuracy (1 - accuracy) + (1 - accuracy)^2 / 2``
with the AUROC of telling errors from right predictions.

*Intervals*: the bootstrap of counts in at most 500 cells of sorted uncertainty. Where
no prediction, or every one, is an error, resampling knows of nothing else; the interval
then holds what a random ranking gives at any error rate of Wilson's interval.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlog1py

from calibration._cells import (
    curve_area,
    generalised_area,
    oracle_area,
    risk_within,
    widest_coverage,
)
from calibration._ranking import Ranking, rank
from calibration.bootstrap import resampled
from calibration.estimate import WILSON, Estimate
from calibration.intervals import wilson_interval
from calibration.risk_coverage import (
    RiskCoverageCurve,
    reference_areas,
    risk_coverage_curve,
)

__all__ = [
    "RiskCoverageCurve",
    "area_under_generalised_risk_coverage",
    "area_under_risk_coverage",
    "coverage_at_risk",
    "excess_area",
    "reference_areas",
    "risk_at_coverage",
    "risk_coverage_curve",
]

Array = NDArray[np.float64]


def area_under_risk_coverage(
    probabilities: ArrayLike,
    labels: ArrayLike,
    uncertainty: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return AURC: the mean risk over the coverages 1/N, 2/N, .. 1.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        uncertainty: One finite number an example, larger is refused first, ``[N]``;
            1 - max probability if None.
        groups: Cluster of each example (image, patient, user), ``[N]``, if members of
            one are not independent.

    Returns:
        A fraction in 0..1, 0 is best; compare with `reference_areas`.
    """
    ranking = rank(probabilities, labels, uncertainty)
    value = float(ranking.risks().mean())
    return _estimate(ranking, curve_area, value, lambda rate: rate, groups)


def area_under_generalised_risk_coverage(
    probabilities: ArrayLike,
    labels: ArrayLike,
    uncertainty: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return AUGRC: how often an answer is wrong, for a random threshold.

    Also the probability that, of two random examples, the first is an error and is not
    the more uncertain one, ties and twice the same example counting half.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        uncertainty: One finite number an example, larger is refused first, ``[N]``;
            1 - max probability if None.
        groups: Cluster of each example, ``[N]``; see `area_under_risk_coverage`.

    Returns:
        A fraction in 0..1/2, 0 is best; a random ranking gives half the error rate r,
        and the best possible r^2 / 2.
    """
    ranking = rank(probabilities, labels, uncertainty)
    value = float(generalised_area(ranking.counts()))
    return _estimate(
        ranking, generalised_area, value, lambda rate: rate / 2, groups, 0.5
    )


def excess_area(
    probabilities: ArrayLike,
    labels: ArrayLike,
    uncertainty: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return AURC less that of the best ranking of the same predictions.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        uncertainty: One finite number an example, larger is refused first, ``[N]``;
            1 - max probability if None.
        groups: Cluster of each example, ``[N]``; see `area_under_risk_coverage`.

    Returns:
        A fraction in 0..1; 0 when all errors are more uncertain than all else.
    """
    ranking = rank(probabilities, labels, uncertainty)
    best, _ = reference_areas(ranking.num_errors, ranking.num_examples)
    return _estimate(
        ranking,
        lambda counts: curve_area(counts) - oracle_area(counts),
        max(0.0, float(ranking.risks().mean()) - best),
        lambda rate: -xlog1py(1 - rate, -rate),  # of infinitely many examples
        groups,
    )


def coverage_at_risk(
    probabilities: ArrayLike,
    labels: ArrayLike,
    uncertainty: ArrayLike | None = None,
    *,
    risk: float = 0.05,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the largest share of examples that can be accepted at a risk.

    The threshold is chosen on the same examples, and the luckiest of all: the share is
    too large on average, by more the fewer the examples, and the risk on new ones
    exceeds the one asked for more often than not. The low end of the interval is the
    share to rely on. It is never above the largest at which Wilson's upper limit of the
    risk, its clusters counting as one example each, is at most as asked.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        uncertainty: One finite number an example, larger is refused first, ``[N]``;
            1 - max probability if None.
        risk: Largest share of errors among accepted examples, in 0..1.
        groups: Cluster of each example, ``[N]``; see `area_under_risk_coverage`.

    Returns:
        The largest coverage k/N whose risk is at most that; 0 if there is none.

    Raises:
        ValueError: If risk is outside 0..1, or another argument is invalid.
    """
    if not 0 <= risk <= 1:
        raise ValueError(f"risk must be in 0..1, got {risk}.")
    ranking = rank(probabilities, labels, uncertainty)
    risks, total = ranking.risks(), ranking.num_examples
    estimate = _estimate(
        ranking,
        lambda counts: widest_coverage(counts, risk),
        _last(risks <= risk) / total,
        lambda rate: (rate <= risk).astype(np.float64),
        groups,
    )
    accepted = np.arange(1, total + 1) * (ranking.num_independent(groups) / total)
    enough = np.maximum(accepted, 1.0)
    worst = wilson_interval(np.minimum(risks * enough, enough), enough)[1]
    return Estimate(
        estimate,
        low=min(estimate.low, _last(worst <= risk) / total),
        high=estimate.high,
        count=total,
        method=estimate.method,
    )


def risk_at_coverage(
    probabilities: ArrayLike,
    labels: ArrayLike,
    uncertainty: ArrayLike | None = None,
    *,
    coverage: float = 0.8,
    groups: ArrayLike | None = None,
) -> Estimate:
    """Return the share of errors when a given share of examples is accepted.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        uncertainty: One finite number an example, larger is refused first, ``[N]``;
            1 - max probability if None.
        coverage: Share of examples to accept, above 0 and at most 1.
        groups: Cluster of each example, ``[N]``; see `area_under_risk_coverage`.

    Returns:
        The risk at the smallest k/N of at least that coverage, in 0..1. The interval is
        never narrower than Wilson's of the k, which knows that no error yet is not no
        error ever.

    Raises:
        ValueError: If coverage is outside its range, or another argument is invalid.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage must be above 0 and at most 1, got {coverage}.")
    ranking = rank(probabilities, labels, uncertainty)
    total = ranking.num_examples
    # Quotients are compared: a product such as 0.55 * 100 rounds to above 55.
    index = int(np.searchsorted(np.arange(1, total + 1) / total, coverage))
    value = float(ranking.risks()[index])
    estimate = _estimate(
        ranking, lambda c: risk_within(c, coverage), value, lambda rate: rate, groups
    )
    trials = max(1.0, ranking.num_independent(groups) * (index + 1) / total)
    low, high = wilson_interval(value * trials, trials)
    return Estimate(
        value,
        low=min(estimate.low, float(low)),
        high=max(estimate.high, float(high)),
        count=total,
        method=estimate.method,
    )


def _last(fits: NDArray[np.bool_]) -> int:
    """How many examples there are up to the last that fits, 0 if none does."""
    places = np.flatnonzero(fits)
    return int(places[-1]) + 1 if len(places) else 0


def _estimate(
    ranking: Ranking,
    measure: Callable[[Array], Array],
    value: float,
    at_random: Callable[[Array], Array],
    groups: ArrayLike | None,
    largest: float = 1.0,
) -> Estimate:
    """Give an exact value, in 0..largest, its interval.

    `measure` finds the value from examples and errors of cells, ``[..., K, 2]``;
    `at_random` is that of a random ranking at given error rates.
    """
    errors, total = ranking.num_errors, ranking.num_examples
    if 0 < errors < total:
        sums = ranking.sums(groups)
        return resampled(sums, measure, total, (0.0, largest), value=value)
    units = ranking.num_independent(groups)
    values = at_random(np.linspace(*wilson_interval(units * errors // total, units)))
    return Estimate(
        value, low=values.min(), high=values.max(), count=total, method=WILSON
    )
