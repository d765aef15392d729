"""Selective prediction, and how uncertain right and wrong predictions are."""

import numpy as np
from numpy.typing import NDArray

from calibration.ood import score_histogram
from calibration.report.data import Selective, UncertaintyHistogram
from calibration.selective import (
    area_under_generalised_risk_coverage,
    area_under_risk_coverage,
    coverage_at_risk,
    excess_area,
    reference_areas,
    risk_at_coverage,
    risk_coverage_curve,
)

RISKS = (0.01, 0.02, 0.05)
COVERAGES = (0.5, 0.8, 0.9, 0.95)
CURVE_POINTS = 201
HISTOGRAM_BINS = 40


def selective(
    probabilities: NDArray[np.float64], labels: NDArray[np.intp]
) -> Selective:
    """Measure what leaving out the least certain predictions gains.

    Args:
        probabilities: Posterior predictive, ``[N, C]``; the confidence of the predicted
            class orders the examples.
        labels: True classes, ``[N]``.

    Returns:
        The section.
    """
    curve = risk_coverage_curve(probabilities, labels, max_points=CURVE_POINTS)
    errors = int((probabilities.argmax(axis=1) != labels).sum())
    return Selective(
        coverage=curve.coverage.tolist(),
        risk=curve.risk.tolist(),
        generalised_risk=curve.generalised_risk.tolist(),
        oracle=curve.oracle.tolist(),
        random=errors / len(labels),
        areas={
            "aurc": area_under_risk_coverage(probabilities, labels),
            "augrc": area_under_generalised_risk_coverage(probabilities, labels),
            "excess_aurc": excess_area(probabilities, labels),
        },
        oracle_area=reference_areas(errors, len(labels))[0],
        coverage_at_risk={
            f"{100 * risk:g}": coverage_at_risk(probabilities, labels, risk=risk)
            for risk in RISKS
        },
        risk_at_coverage={
            f"{100 * share:g}": risk_at_coverage(probabilities, labels, coverage=share)
            for share in COVERAGES
        },
    )


def uncertainty_histogram(
    entropy: NDArray[np.float64], is_right: NDArray[np.bool_]
) -> UncertaintyHistogram:
    """Count right and wrong predictions by their entropy.

    Args:
        entropy: Predictive entropy in nats, ``[N]``.
        is_right: Whether the prediction is right, ``[N]``.

    Returns:
        The section.
    """
    edges = score_histogram(entropy, entropy, HISTOGRAM_BINS).edges
    return UncertaintyHistogram(
        edges=edges.tolist(),
        right=np.histogram(entropy[is_right], edges)[0].tolist(),
        wrong=np.histogram(entropy[~is_right], edges)[0].tolist(),
    )
