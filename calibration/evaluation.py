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

from calibration._checks import check_labels, check_probabilities, predictive
from calibration.definitions import MEASURES
from calibration.intervals import Estimate
from calibration.measures import headline, measure
from calibration.ood import auroc, fpr_at_recall, score_histogram
from calibration.reliability import ReliabilityDiagram, reliability_diagram
from calibration.uncertainty import UncertaintyDecomposition, decompose

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
    samples = check_probabilities(probabilities)
    mean = predictive(samples)
    labels = check_labels(labels, *mean.shape)
    parts = decompose(samples)
    diagram = reliability_diagram(mean, labels, num_bins)
    found = measure(samples, labels, num_bins)
    return {
        "schema": SCHEMA,
        "num_examples": len(mean),
        "num_classes": mean.shape[1],
        "num_samples": _num_samples(samples),
        "metrics": _values(found),
        "intervals": {name: [each.low, each.high] for name, each in found.items()},
        "mean": _at_mean(mean_probabilities, mean, labels, num_bins),
        "reliability": {"num_bins": diagram.num_bins, "bins": _bins(diagram)},
        "ood": {
            name: _evaluate_ood(samples, parts, out, f"ood[{name!r}]")
            for name, out in ood.items()
        },
        "definitions": dict(DEFINITIONS),
    }


def _num_samples(probabilities: NDArray[Any]) -> int:
    return len(probabilities) if probabilities.ndim == 3 else 1


def _values(found: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: float(each) for name, each in found.items()}


def _at_mean(
    probabilities: ArrayLike | None,
    predicted: NDArray[np.float64],
    labels: NDArray[np.intp],
    num_bins: int,
) -> dict[str, float] | None:
    if probabilities is None:
        return None
    array = check_probabilities(probabilities, "mean_probabilities")
    if array.shape != predicted.shape:
        raise ValueError(
            f"mean_probabilities must be [N, C] = {predicted.shape} like the "
            f"probabilities, got shape {array.shape}."
        )
    return _values(headline(array, labels, num_bins))


def _bins(diagram: ReliabilityDiagram) -> list[dict[str, Any]]:
    columns = [getattr(diagram, field).tolist() for field in _BIN_FIELDS]
    rows = zip(*columns, strict=True)
    return [dict(zip(_BIN_FIELDS, row, strict=True)) for row in rows]


def _evaluate_ood(
    samples: NDArray[Any],
    parts: UncertaintyDecomposition,
    probabilities: ArrayLike,
    name: str,
) -> dict[str, Any]:
    out_samples = check_probabilities(probabilities, name)
    if out_samples.shape[-1] != samples.shape[-1]:
        raise ValueError(
            f"{name} must have the {samples.shape[-1]} classes of the probabilities, "
            f"got {out_samples.shape[-1]}."
        )
    out = decompose(out_samples)
    area = auroc(parts.total, out.total)
    false_positives = fpr_at_recall(parts.total, out.total)
    report = {
        "score": "predictive entropy",
        "num_examples": len(out.total),
        "auroc": float(area),
        "fpr95": float(false_positives),
        "intervals": {
            "auroc": [area.low, area.high],
            "fpr95": [false_positives.low, false_positives.high],
        },
        "histogram": _histogram(parts.total, out.total),
    }
    # A single model disputes nothing: all its mutual information is 0, no score.
    if min(_num_samples(samples), _num_samples(out_samples)) > 1:
        report["auroc_mutual_information"] = float(
            auroc(parts.mutual_information, out.mutual_information)
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
