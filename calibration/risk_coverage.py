"""The risk-coverage curve: how many errors remain when uncertain examples are refused?

Examples are accepted in order of uncertainty, the most certain first. After k of N,
*coverage* is k/N, *risk* the share of errors among the k, and *generalised risk* their
product, errors per example offered: how often a wrong answer is given at all.

*Papers*: Geifman and El-Yaniv (2017), arXiv:1705.08500 (risk and coverage); Traub et
al. (2024), arXiv:2407.01032 (generalised risk).

*Conventions*: an error is a prediction (the first of equally probable classes) that is
not the label. Examples of equal uncertainty have no order, and a softmax in float32
says exactly 1 of many: every number is the mean over all orders of such ties, so that
the order of the input never matters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one
from calibration._ranking import rank

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskCoverageCurve:
    """Risk at P growing coverages, the last of them 1.

    Args:
        coverage: Share of examples accepted, above 0, ``[P]``.
        risk: Share of errors among those accepted, ``[P]``.
        generalised_risk: Accepted errors per example offered, ``[P]``.
        threshold: Largest uncertainty accepted, ``[P]``.
        oracle: The smallest risk possible at each coverage: errors go first, ``[P]``.
        random: Risk at any coverage when examples are refused blindly.
        num_examples: N.
    """

    coverage: Array
    risk: Array
    generalised_risk: Array
    threshold: Array
    oracle: Array
    random: float
    num_examples: int


def risk_coverage_curve(
    probabilities: ArrayLike,
    labels: ArrayLike,
    uncertainty: ArrayLike | None = None,
    max_points: int = 1001,
) -> RiskCoverageCurve:
    """Return the risk among the most certain examples, for ever more of them.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        uncertainty: One finite number an example, larger is refused first, ``[N]``;
            1 - max probability of the posterior predictive if None.
        max_points: Most points P to return; beyond, they are spread evenly.

    Returns:
        The curve; within a tie it is the mean over all orders.
    """
    max_points = check_at_least_one(max_points, "max_points")
    ranking = rank(probabilities, labels, uncertainty)
    total = ranking.num_examples
    # Downwards, so that a single point is that of full coverage.
    points = np.linspace(total, 1, min(max_points, total)).round()[::-1]
    index = points.astype(np.intp) - 1
    coverage, risk = points / total, ranking.risks()[index]
    return RiskCoverageCurve(
        coverage=coverage,
        risk=risk,
        generalised_risk=risk * coverage,
        threshold=ranking.uncertainty[index],
        oracle=_oracle_risks(ranking.num_errors, total)[index],
        random=ranking.num_errors / total,
        num_examples=total,
    )


def reference_areas(num_errors: int, num_examples: int) -> tuple[float, float]:
    """Return AURC of the best ranking, and the mean of AURC over random ones.

    Args:
        num_errors: E, in 0..N.
        num_examples: N, at least 1.

    Returns:
        The mean of ``max(0, k - (N - E)) / k`` over k = 1..N, and E/N.

    Raises:
        ValueError: If a number is outside its range.
    """
    total = check_at_least_one(num_examples, "num_examples")
    if not isinstance(num_errors, int | np.integer) or not 0 <= num_errors <= total:
        raise ValueError(
            f"num_errors must be an integer in 0..{total}, got {num_errors!r}."
        )
    return float(_oracle_risks(num_errors, total).mean()), float(num_errors / total)


def _oracle_risks(num_errors: int, num_examples: int) -> Array:
    """Smallest possible risk among the k accepted, for k = 1..N, ``[N]``."""
    accepted = np.arange(1, num_examples + 1)
    return np.maximum(accepted - (num_examples - num_errors), 0) / accepted
