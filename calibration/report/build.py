"""Predictions to a report: every number is measured here, and none in a renderer."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration._checks import check_at_least_one, check_labels, predictive
from calibration.comparison import paired_differences
from calibration.estimate import Estimate
from calibration.measures import headline, measure
from calibration.metrics import SMALLEST_PROBABILITY
from calibration.report.data import (
    Comparison,
    ModelReport,
    ReportData,
    SeedRow,
    ShiftPoint,
)
from calibration.report.measuring.calibration import class_rows, reliability
from calibration.report.measuring.fitted import conformal, halves, recalibration
from calibration.report.measuring.ood import ood_sets
from calibration.report.measuring.selective import selective, uncertainty_histogram
from calibration.report.measuring.wrong import confidently_wrong
from calibration.report.predictions import Predictions
from calibration.report.words import (
    ALMOST_SURE,
    comparison_sentence,
    limitations,
    summary,
)
from calibration.seeds import mean_over_seeds
from calibration.shift import shift_table
from calibration.uncertainty import entropy

NUM_BINS = 15
MAX_MODELS = 10
MAX_BINS = 1000
NAMED = 3  # models: more make a heading of several lines
TITLE = "Calibration report"
_SOFTWARE = ("vogn-app", "numpy", "scipy", "scikit-learn", "plotly")


def build_report(
    models: Sequence[Predictions], title: str = "", num_bins: int = NUM_BINS
) -> ReportData:
    """Measure models, each for itself and the others against the first.

    Args:
        models: One to ten, with different names.
        title: Heading; one that names up to three models, or counts them,
            by default.
        num_bins: Bins of calibration errors and diagrams, at least 1.

    Returns:
        The report.

    Raises:
        ValueError: If there is no model or too many, two have the same name, or the
            predictions of one are not valid.
    """
    if check_at_least_one(num_bins, "num_bins") > MAX_BINS:
        raise ValueError(f"num_bins must be at most {MAX_BINS}, got {num_bins}.")
    names = [model.name for model in models]
    if not 1 <= len(models) <= MAX_MODELS:
        raise ValueError(f"models must be 1 to {MAX_MODELS}, got {len(models)}.")
    if len(set(names)) < len(names):
        raise ValueError(f"names of models must differ, got {', '.join(names)}.")
    reports = [model_report(model, num_bins) for model in models]
    compared, notes = comparisons(models, num_bins)
    own = dict.fromkeys(note for report in reports for note in report.notes)
    return ReportData(
        title=title or f"{TITLE}: {_named(names)}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=software(),
        num_bins=num_bins,
        models=reports,
        comparisons=compared,
        seeds=seed_summaries(models, reports),
        limitations=[*notes, *own, *limitations(reports)],
    )


def _named(names: Sequence[str]) -> str:
    """Names as a heading has room for, else their number."""
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} models"


def software() -> dict[str, str]:
    """Versions of what a report is made with."""
    versions = {"Python": platform.python_version()}
    for name in _SOFTWARE:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue  # `calibration` alone, copied from the repository
    return versions


def model_report(predictions: Predictions, num_bins: int = NUM_BINS) -> ModelReport:
    """Measure one model.

    Args:
        predictions: Its predictions.
        num_bins: Bins of calibration errors and diagrams.

    Returns:
        Its part of the report, with a summary in words.
    """
    samples = predictions.probabilities
    mean = predictive(samples)
    labels = check_labels(predictions.labels, *mean.shape)
    names = predictions.class_names or [str(index) for index in range(mean.shape[1])]
    is_right = mean.argmax(axis=1) == labels
    parts = halves(predictions, mean, labels)
    sets, groups, notes = ood_sets(predictions)
    report = ModelReport(
        name=predictions.name,
        provenance=dict(predictions.provenance),
        num_examples=len(mean),
        num_classes=mean.shape[1],
        num_samples=len(samples) if samples.ndim == 3 else 1,
        class_names=names,
        summary=[],
        metrics=measure(samples, labels, num_bins),
        num_errors=int((~is_right).sum()),
        num_sure_errors=int((~is_right & (mean.max(axis=1) >= ALMOST_SURE)).sum()),
        num_impossible=_num_impossible(mean, labels),
        at_mean=_at_mean(predictions, labels, num_bins),
        reliability=reliability(mean, labels, num_bins),
        classes=class_rows(mean, labels, names, num_bins),
        selective=selective(mean, labels),
        uncertainty=uncertainty_histogram(entropy(mean), is_right),
        confidently_wrong=confidently_wrong(predictions),
        recalibration=None if parts is None else recalibration(parts, num_bins),
        conformal=None if parts is None else conformal(parts),
        ood=sets,
        ood_groups=groups,
        shift=shift_points(predictions, num_bins),
        posterior=list(predictions.posterior),
        notes=[*predictions.notes, *notes],
    )
    report.summary.extend(summary(report))
    return report


def _num_impossible(mean: NDArray[np.float64], labels: NDArray[np.intp]) -> int:
    likelihoods = mean[np.arange(len(labels)), labels]
    return int((likelihoods < SMALLEST_PROBABILITY).sum())


def _at_mean(
    predictions: Predictions, labels: NDArray[np.intp], num_bins: int
) -> dict[str, Estimate]:
    at_mean = predictions.mean_probabilities
    return {} if at_mean is None else headline(at_mean, labels, num_bins)


def shift_points(predictions: Predictions, num_bins: int) -> list[ShiftPoint]:
    """Measure a model on corrupted examples, and on the same ones as they are.

    Args:
        predictions: Its predictions.
        num_bins: Bins of the calibration error.

    Returns:
        The clean examples first, then each kind by severity.
    """
    clean, labels = predictions.shift_clean, predictions.shift_labels
    if clean is None or labels is None:
        return []
    rows = shift_table(clean, predictions.shift, labels, num_bins)
    return [
        ShiftPoint(
            kind=row.kind,
            severity=row.severity,
            metrics={"accuracy": row.accuracy, "nll": row.nll, "ece": row.ece},
        )
        for row in rows
    ]


def comparisons(
    models: Sequence[Predictions], num_bins: int
) -> tuple[list[Comparison], list[str]]:
    """Compare the first model with each other one that was tested on the same examples.

    Args:
        models: The models.
        num_bins: Bins of the calibration error.

    Returns:
        One comparison a pair, and a sentence for each model of other examples.
    """
    first, *others = models
    found, notes = [], []
    for other in others:
        order = same_examples(first, other)
        if order is None:
            notes.append(
                f"{first.name} and {other.name} were tested on different examples: a "
                "difference between their numbers may be one of the examples."
            )
            continue
        rows = other.probabilities[..., order, :]
        paired = paired_differences(
            rows, first.probabilities, first.labels, num_bins=num_bins
        )
        differences: dict[str, Estimate] = dict(paired)
        found.append(
            Comparison(
                first=first.name,
                second=other.name,
                differences=differences,
                sentence=comparison_sentence(first.name, other.name, differences),
            )
        )
    return found, notes


def same_examples(first: Predictions, second: Predictions) -> NDArray[np.intp] | None:
    """Find the first model's test examples among the second's.

    Args:
        first: The one model.
        second: The other.

    Returns:
        Rows of the second in the order of the first; None if the two were tested on
        other examples, classes or data, as far as is known.
    """
    data = [each.provenance.get("Dataset") for each in (first, second)]
    same = (
        len(first.labels) == len(second.labels)
        and first.probabilities.shape[-1] == second.probabilities.shape[-1]
        and (
            not (first.class_names and second.class_names)
            or first.class_names == second.class_names
        )
        and (None in data or data[0] == data[1])
    )
    order = np.arange(len(first.labels)) if same else None
    if order is not None and first.indices is not None and second.indices is not None:
        order = _matching(first.indices, second.indices)
    if order is None or not np.array_equal(first.labels, second.labels[order]):
        return None
    return order


def _matching(wanted: NDArray[Any], given: NDArray[Any]) -> NDArray[np.intp] | None:
    """Places of the wanted numbers among the given ones, if both are the same set."""
    if np.array_equal(wanted, given):
        return np.arange(len(wanted))
    if len(np.unique(wanted)) < len(wanted):  # which is which cannot be told
        return None
    by_number = np.argsort(given, kind="stable")
    places = np.searchsorted(given, wanted, sorter=by_number).clip(max=len(given) - 1)
    order: NDArray[np.intp] = by_number[places]
    return order if np.array_equal(given[order], wanted) else None


def seed_summaries(
    models: Sequence[Predictions], reports: Sequence[ModelReport]
) -> list[SeedRow]:
    """Sum up models that differ in the seed alone.

    Args:
        models: The models; those with the same `family` belong together.
        reports: Their reports, in the same order.

    Returns:
        One entry a family of two or more.
    """
    families: dict[str, list[ModelReport]] = {}
    for model, report in zip(models, reports, strict=True):
        if model.family:
            families.setdefault(model.family, []).append(report)
    found = []
    for name, members in families.items():
        if len(members) < 2:
            continue
        seeds = {
            key: mean_over_seeds([each.metrics[key] for each in members])
            for key in members[0].metrics
        }
        found.append(
            SeedRow(
                name=name,
                models=[each.name for each in members],
                means={key: each.mean for key, each in seeds.items()},
                deviations={key: each.deviation or 0.0 for key, each in seeds.items()},
            )
        )
    return found
