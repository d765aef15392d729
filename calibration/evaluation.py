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
from calibration.intervals import wilson_interval
from calibration.metrics import accuracy, brier_score, negative_log_likelihood
from calibration.ood import FPR95_DEFINITION, auroc, fpr_at_recall, score_histogram
from calibration.reliability import (
    ReliabilityDiagram,
    reliability_diagram,
    top_label,
)
from calibration.uncertainty import UncertaintyDecomposition, decompose

SCHEMA = 1

DEFINITIONS = MappingProxyType({
    "accuracy": "Fraction of examples whose most probable class is the true one.",
    "nll": "Mean negative log-likelihood of the true class, in nats; lower is better.",
    "brier": "Mean squared distance between the probabilities and the one-hot label, "
    "summed over classes, 0 to 2; lower is better.",
    "ece": "Expected calibration error: mean gap between confidence and accuracy over "
    "equal-width, right-closed bins of confidence, 0 to 1; lower is better.",
    "predictive_entropy": "Mean entropy of the posterior predictive, in nats: total "
    "uncertainty.",
    "expected_entropy": "Mean entropy of the single posterior samples, in nats: "
    "aleatoric uncertainty.",
    "mutual_information": "Predictive less expected entropy, in nats: how far the "
    "posterior samples disagree, epistemic uncertainty.",
    "intervals": "95 % Wilson score interval over examples.",
    "mean": "The same metrics for the network at the posterior mean.",
    "auroc": "Probability that an out-of-distribution example scores above an "
    "in-distribution one, ties counting half; 0.5 is chance.",
    "fpr95": FPR95_DEFINITION,
    "auroc_mutual_information": "The AUROC with mutual information as the score.",
})

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
    return {
        "schema": SCHEMA,
        "num_examples": len(mean),
        "num_classes": mean.shape[1],
        "num_samples": _num_samples(samples),
        "metrics": _headline(mean, labels, diagram) | _mean_uncertainty(parts),
        "intervals": {"accuracy": _accuracy_interval(mean, labels)},
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


def _headline(
    mean: NDArray[np.float64], labels: NDArray[np.intp], diagram: ReliabilityDiagram
) -> dict[str, float]:
    return {
        "accuracy": accuracy(mean, labels),
        "nll": negative_log_likelihood(mean, labels),
        "brier": brier_score(mean, labels),
        "ece": diagram.ece,
    }


def _mean_uncertainty(parts: UncertaintyDecomposition) -> dict[str, float]:
    return {
        "predictive_entropy": float(parts.total.mean()),
        "expected_entropy": float(parts.expected.mean()),
        "mutual_information": float(parts.mutual_information.mean()),
    }


def _accuracy_interval(
    mean: NDArray[np.float64], labels: NDArray[np.intp]
) -> list[float]:
    correct = top_label(mean, labels)[1]
    low, high = wilson_interval(correct.sum(), len(correct))
    return [float(low), float(high)]


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
    mean = predictive(array)
    return _headline(mean, labels, reliability_diagram(mean, labels, num_bins))


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
    report = {
        "score": "predictive entropy",
        "num_examples": len(out.total),
        "auroc": auroc(parts.total, out.total),
        "fpr95": fpr_at_recall(parts.total, out.total),
        "histogram": _histogram(parts.total, out.total),
    }
    # A single model disputes nothing: all its mutual information is 0, no score.
    if min(_num_samples(samples), _num_samples(out_samples)) > 1:
        report["auroc_mutual_information"] = auroc(
            parts.mutual_information, out.mutual_information
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
