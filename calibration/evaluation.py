"""Everything a run's evaluation.json says, computed from arrays of probabilities.

The result is plain Python (dicts, lists, ints, finite floats), so that any JSON writer
takes it and any reader can rebuild every chart from it. Predictions of another
framework do as well as our own.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._predictions import Judged, Predicted
from calibration.definitions import MEASURES
from calibration.estimate import Estimate
from calibration.measures import headline_of, measures_of
from calibration.ood import auroc, fpr_at_recall, score_histogram
from calibration.reliability import ReliabilityDiagram, diagram

SCHEMA = 1

# Each number of evaluation.json in a sentence.
DEFINITIONS = MappingProxyType(
    {name: each.sentence for name, each in MEASURES.items()}
    | {
        "intervals": "95 % intervals over examples, closed-form or by bootstrap.",
        "mean": "Accuracy, NLL, Brier score and ECE of the network at the posterior "
        "mean.",
        "auroc_mutual_information": "The AUROC with mutual information as the score.",
    }
)

_BIN_FIELDS = (
    "lower",
    "upper",
    "count",
    "confidence",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
)
_NO_OOD: Mapping[str, ArrayLike] = MappingProxyType({})


def evaluate(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    mean_probabilities: ArrayLike | None = None,
    ood: Mapping[str, ArrayLike] = _NO_OOD,
    num_bins: int = 15,
) -> dict[str, Any]:
    """Judge a model's predictions.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``; the headline
            numbers are those of the posterior predictive.
        labels: True classes, integers in 0..C-1, ``[N]``.
        mean_probabilities: Class probabilities at the posterior mean, ``[N, C]``.
        ood: Class probabilities on out-of-distribution sets by name, ``[M, C]`` or
            ``[S, M, C]``; scored by predictive entropy, in nats.
        num_bins: Number of bins of the reliability diagram, at least 1.

    Returns:
        "schema", "num_examples", "num_classes", "num_samples" (1 for ``[N, C]``),
        "metrics", "intervals", "mean" (None where not given), "reliability", "ood" and
        "definitions", which says in a sentence what each number is.
        JSON-ready, and free of NaN.
    """
    judged = Judged(probabilities, labels)
    bins = diagram(judged.confidence, judged.correct, num_bins)
    found = measures_of(judged, num_bins)
    return {
        "schema": SCHEMA,
        "num_examples": judged.count,
        "num_classes": judged.rows.shape[1],
        "num_samples": judged.num_samples,
        "metrics": _values(found),
        "intervals": {name: [each.low, each.high] for name, each in found.items()},
        "mean": _at_mean(mean_probabilities, judged, num_bins),
        "reliability": {"num_bins": bins.num_bins, "bins": _bins(bins)},
        "ood": {
            name: _evaluate_ood(judged, out, f"ood[{name!r}]")
            for name, out in ood.items()
        },
        "definitions": dict(DEFINITIONS),
    }


def _values(found: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: float(each) for name, each in found.items()}


def _at_mean(
    probabilities: ArrayLike | None,
    judged: Judged,
    num_bins: int,
) -> dict[str, float] | None:
    if probabilities is None:
        return None
    name, shape = "mean_probabilities", np.shape(probabilities)
    if shape != judged.rows.shape:
        raise ValueError(
            f"{name} must be [N, C] = {judged.rows.shape} like the probabilities, "
            f"got shape {shape}."
        )
    at_mean = Judged(probabilities, judged.labels, name=name)
    return _values(headline_of(at_mean, num_bins))


def _bins(bins: ReliabilityDiagram) -> list[dict[str, Any]]:
    columns = [getattr(bins, field).tolist() for field in _BIN_FIELDS]
    rows = zip(*columns, strict=True)
    return [dict(zip(_BIN_FIELDS, row, strict=True)) for row in rows]


def _evaluate_ood(
    inside: Predicted, probabilities: ArrayLike, name: str
) -> dict[str, Any]:
    out = Predicted(probabilities, name)
    num_classes = inside.rows.shape[1]
    if out.rows.shape[1] != num_classes:
        raise ValueError(
            f"{name} must have the {num_classes} classes of the probabilities, "
            f"got {out.rows.shape[1]}."
        )
    area = auroc(inside.total, out.total)
    false_positives = fpr_at_recall(inside.total, out.total)
    report = {
        "score": "predictive entropy",
        "num_examples": len(out.total),
        "auroc": float(area),
        "fpr95": float(false_positives),
        "intervals": {
            "auroc": [area.low, area.high],
            "fpr95": [false_positives.low, false_positives.high],
        },
        "histogram": _histogram(inside.total, out.total),
    }
    # A single model disputes nothing: all its mutual information is 0, no score.
    if min(inside.num_samples, out.num_samples) > 1:
        report["auroc_mutual_information"] = float(
            auroc(inside.mutual_information, out.mutual_information)
        )
    return report


def _histogram(
    in_scores: NDArray[np.float64], out_scores: NDArray[np.float64]
) -> dict[str, list[float]]:
    histogram = score_histogram(in_scores, out_scores)
    return {
        "edges": histogram.edges.tolist(),
        "in_distribution": histogram.in_distribution.tolist(),
        "out_of_distribution": histogram.out_of_distribution.tolist(),
    }
