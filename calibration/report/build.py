"""Predictions to a report: every number is measured here, and none in a renderer."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from calibration._checks import check_at_least_one, check_labels, predictive
from calibration.comparison import paired_differences
from calibration.intervals import Estimate
from calibration.measures import headline, measure
from calibration.report.data import (
    Comparison,
    ModelReport,
    ReportData,
    SeedSummary,
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
TITLE = "Calibration report"
_SOFTWARE = ("vogn-app", "numpy", "scipy", "scikit-learn", "plotly")


def build_report(
    models: Sequence[Predictions], title: str = "", num_bins: int = NUM_BINS
) -> ReportData:
    """Measure models, each for itself and the others against the first.

    Args:
        models: One to ten, with different names.
        title: Heading; one that names the models by default.
        num_bins: Bins of calibration errors and diagrams, at least 1.

    Returns:
        The report.

    Raises:
        ValueError: If there is no model or too many, two have the same name, or the
            predictions of one are not valid.
    """
    check_at_least_one(num_bins, "num_bins")
    names = [model.name for model in models]
    if not 1 <= len(models) <= MAX_MODELS:
        raise ValueError(f"models must be 1 to {MAX_MODELS}, got {len(models)}.")
    if len(set(names)) < len(names):
        raise ValueError(f"names of models must differ, got {', '.join(names)}.")
    reports = [model_report(model, num_bins) for model in models]
    return ReportData(
        title=title or f"{TITLE}: {', '.join(names)}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=software(),
        num_bins=num_bins,
        models=reports,
        comparisons=comparisons(models, num_bins),
        seeds=seed_summaries(models, reports),
        limitations=[*dict.fromkeys(note for model in models for note in model.notes),
                     *limitations(reports)],
    )  # fmt: skip


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
    sets, groups = ood_sets(predictions)
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
    )
    report.summary.extend(summary(report))
    return report


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


def comparisons(models: Sequence[Predictions], num_bins: int) -> list[Comparison]:
    """Compare the first model with each other one that was tested on the same examples.

    Args:
        models: The models.
        num_bins: Bins of the calibration error.

    Returns:
        One comparison a pair; models of other examples have none.
    """
    first, *others = models
    found = []
    for other in others:
        if not _same_examples(first, other):
            continue
        paired = paired_differences(
            other.probabilities, first.probabilities, first.labels, num_bins=num_bins
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
    return found


def _same_examples(first: Predictions, second: Predictions) -> bool:
    pairs = [(first.labels, second.labels)]
    if first.indices is not None and second.indices is not None:
        pairs.append((first.indices, second.indices))
    same = all(np.array_equal(one, other) for one, other in pairs)
    return same and first.probabilities.shape[-1] == second.probabilities.shape[-1]


def seed_summaries(
    models: Sequence[Predictions], reports: Sequence[ModelReport]
) -> list[SeedSummary]:
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
            SeedSummary(
                name=name,
                models=[each.name for each in members],
                means={key: each.mean for key, each in seeds.items()},
                deviations={key: each.deviation or 0.0 for key, each in seeds.items()},
            )
        )
    return found
