"""Tidy CSV tables of a report: one observation a row, one file a kind of it."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from calibration.estimate import Estimate
from calibration.report.data import Bin, ModelReport, ReportData

Row = dict[str, Any]

_DETECTION = ("auroc", "aupr_out", "aupr_in", "fpr95", "detection_error")

# Spreadsheets run what begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_tables(report: ReportData) -> dict[str, str]:
    """Write a report's numbers as CSV.

    Args:
        report: The report.

    Returns:
        Content by file name, such as "metrics.csv"; kinds of which there is nothing
        have no file. Lines end in a newline, the first names the columns.
    """
    tables = {
        "metrics": [row for model in report.models for row in _metrics(model)],
        "bins": [row for model in report.models for row in _bins(model)],
        "differences": _differences(report),
        "seeds": _seeds(report),
    }
    for name, rows in _BY_MODEL.items():
        tables[name] = [
            {"model": model.name} | row
            for model in report.models
            for row in rows(model)
        ]
    return {f"{name}.csv": _csv(rows) for name, rows in tables.items() if rows}


def _csv(rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, Estimate):
        return float(value)  # the csv module would write its repr
    return "" if value is None else value


def _estimate(measure: str, estimate: Estimate) -> Row:
    return {"measure": measure} | estimate.as_dict()


def _all(estimates: Mapping[str, Estimate]) -> Iterator[Row]:
    for name, estimate in estimates.items():
        yield _estimate(name, estimate)


def _metrics(model: ModelReport) -> Iterator[Row]:
    sections = {
        "predictive": model.metrics,
        "posterior mean": model.at_mean,
        "selective": selective_measures(model),
    }
    for section, estimates in sections.items():
        for row in _all(estimates):
            yield {"model": model.name, "section": section} | row


def selective_measures(model: ModelReport) -> dict[str, Estimate]:
    """All measures of selective prediction, the risk or coverage being in the name."""
    selective = model.selective
    measures = dict(selective.areas)
    for name in ("coverage_at_risk", "risk_at_coverage"):
        for level, estimate in getattr(selective, name).items():
            measures[f"{name}_{level}"] = estimate
    return measures


def _bins(model: ModelReport) -> Iterator[Row]:
    diagrams: dict[tuple[str, str], list[Bin]] = {
        (scheme.name, ""): getattr(model.reliability, scheme.name)
        for scheme in fields(model.reliability)
    }
    diagrams |= {("class", row.name): row.bins for row in model.classes}
    if model.recalibration is not None:
        parts = model.recalibration
        diagrams["before recalibration", ""] = parts.bins_before
        diagrams["after recalibration", parts.best] = parts.bins_after
    for (diagram, of), bins in diagrams.items():
        for each in bins:
            yield {"model": model.name, "diagram": diagram, "of": of} | vars(each)


def _classes(model: ModelReport) -> Iterator[Row]:
    for row in model.classes:
        plain = {
            name: getattr(row, name)
            for name in ("index", "name", "count", "predicted", "confidence",
                         "calibration_error")
        }  # fmt: skip
        for name in ("recall", "precision", "nll"):
            estimate = getattr(row, name)
            plain[name] = estimate
            plain[f"{name}_low"] = None if estimate is None else estimate.low
            plain[f"{name}_high"] = None if estimate is None else estimate.high
        yield plain


def _recalibration(model: ModelReport) -> Iterator[Row]:
    if model.recalibration is None:
        return
    for name, estimate in model.recalibration.before.items():
        yield {"recalibration": "none"} | _estimate(name, estimate)
    for method in model.recalibration.methods:
        measures = method.metrics | {"nll_change": method.nll_change}
        for row in _all(measures):
            yield {"recalibration": method.name} | row


def _conformal(model: ModelReport) -> Iterator[Row]:
    for row in model.conformal.rows if model.conformal else []:
        plain = {"conformal": row.method, "promised": row.promised}
        for each in _all({"coverage": row.coverage, "size": row.size}):
            yield plain | each


def _selective(model: ModelReport) -> Iterator[Row]:
    columns = ("coverage", "risk", "generalised_risk", "oracle")
    values = zip(*(getattr(model.selective, name) for name in columns), strict=True)
    for row in values:
        yield dict(zip(columns, row, strict=True)) | {"random": model.selective.random}


def _ood(model: ModelReport) -> Iterator[Row]:
    for each in model.ood:
        for score in each.scores:
            plain = {"set": each.name, "distance": each.distance, "score": score.name}
            for row in _all({name: getattr(score, name) for name in _DETECTION}):
                yield plain | row


def _ood_groups(model: ModelReport) -> Iterator[Row]:
    for group in model.ood_groups:
        for score in group.scores:
            plain = {"group": group.name, "sets": " ".join(group.members)}
            plain["score"] = score.name
            for row in _all({name: getattr(score, name) for name in _DETECTION}):
                yield plain | row


def _ood_histogram(model: ModelReport) -> Iterator[Row]:
    for each in model.ood:
        edges = zip(each.edges, each.edges[1:], strict=False)
        counts = zip(edges, each.counts_in, each.counts_out, strict=True)
        for (lower, upper), inside, outside in counts:
            yield {
                "set": each.name, "lower": lower, "upper": upper,
                "in_distribution": inside, "out_of_distribution": outside,
            }  # fmt: skip


def _roc(model: ModelReport) -> Iterator[Row]:
    for each in model.ood:
        rates = zip(each.false_positive_rate, each.true_positive_rate, strict=True)
        for false, true in rates:
            yield {
                "set": each.name,
                "false_positive_rate": false,
                "true_positive_rate": true,
            }


def _shift(model: ModelReport) -> Iterator[Row]:
    for point in model.shift:
        for row in _all(point.metrics):
            yield {"kind": point.kind, "severity": point.severity} | row


def _wrong(model: ModelReport) -> Iterator[Row]:
    for each in model.confidently_wrong:
        row = {key: value for key, value in vars(each).items() if key != "image"}
        names = {"label_name": each.label, "prediction_name": each.prediction}
        yield row | {key: model.class_names[index] for key, index in names.items()}


def _posterior(model: ModelReport) -> Iterator[Row]:
    return (dict(vars(row)) for row in model.posterior)


def _differences(report: ReportData) -> list[Row]:
    return [
        {"first": pair.first, "second": pair.second} | row
        for pair in report.comparisons
        for row in _all(pair.differences)
    ]


def _seeds(report: ReportData) -> list[Row]:
    return [
        {
            "family": group.name, "measure": name, "mean": value,
            "deviation": group.deviations[name], "models": len(group.models),
        }
        for group in report.seeds
        for name, value in group.means.items()
    ]  # fmt: skip


_BY_MODEL = {
    "classes": _classes,
    "recalibration": _recalibration,
    "conformal": _conformal,
    "risk_coverage": _selective,
    "ood": _ood,
    "ood_groups": _ood_groups,
    "ood_histogram": _ood_histogram,
    "roc": _roc,
    "shift": _shift,
    "confidently_wrong": _wrong,
    "posterior": _posterior,
}

# Every file that `csv_tables` may write.
TABLE_NAMES = tuple(
    f"{name}.csv" for name in ("metrics", "bins", "differences", "seeds", *_BY_MODEL)
)
