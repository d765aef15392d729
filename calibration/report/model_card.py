"""A model card in Markdown (Mitchell et al. 2019, arXiv:1810.03993).

Metrics stand in a "model-index" too, where model hubs look for them.
"""

import html
import json
from collections.abc import Mapping, Sequence

from calibration.definitions import MEASURES
from calibration.estimate import Estimate
from calibration.measures import HEADLINE
from calibration.report.data import ModelReport, ReportData
from calibration.report.formats import count
from calibration.report.written import title

_SPECIAL = "\\`*_{}[]#|!~$"


def model_card(report: ReportData) -> str:
    """Write the card of all models of a report.

    Args:
        report: The report.

    Returns:
        Markdown, with a YAML head (JSON is YAML).
    """
    parts = [_head(report), f"# {plain(report.title)}", _software(report)]
    for model in report.models:
        parts += _model(model)
    if report.comparisons:
        parts += [
            "## Comparison",
            _list([each.sentence for each in report.comparisons]),
        ]
    parts += ["## Limitations", _list(report.limitations)]
    parts += ["## Definitions", _definitions()]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text in which nothing is Markdown or HTML."""
    escaped = "".join(f"\\{each}" if each in _SPECIAL else each for each in text)
    # As entities, not behind a backslash: no renderer may take these for a tag.
    return " ".join(html.escape(escaped, quote=False).split())


def _head(report: ReportData) -> str:
    index = [
        {
            "name": model.name,
            "results": [
                {
                    "task": {"type": "classification"},
                    "dataset": {"name": model.provenance.get("Dataset", "")},
                    "metrics": [
                        {"type": name, "value": float(model.metrics[name])}
                        for name in HEADLINE
                    ],
                }
            ],
        }
        for model in report.models
    ]
    tags = ["uncertainty", "calibration"]
    return f"---\ntags: {json.dumps(tags)}\nmodel-index: {json.dumps(index)}\n---"


def _software(report: ReportData) -> str:
    versions = ", ".join(f"{name} {each}" for name, each in report.software.items())
    return plain(f"Report of {report.created}, made with {versions}.")


def _model(model: ModelReport) -> list[str]:
    samples = (
        f", {count(model.num_samples)} posterior samples"
        if model.num_samples > 1
        else ""
    )
    data = f"{count(model.num_examples)} test examples, {model.num_classes} classes"
    parts = [f"## {plain(model.name)}", f"{data}{samples}."]
    if model.provenance:
        rows = [[plain(k), plain(v)] for k, v in model.provenance.items()]
        parts += ["### What was trained on what", _table(["", ""], rows)]
    parts += ["### Summary", _list(model.summary)]
    parts += ["### Numbers", _numbers(model.metrics)]
    if model.ood:
        parts += ["### Out of distribution", _ood(model)]
    return parts


def _numbers(metrics: Mapping[str, Estimate]) -> str:
    rows = [
        [title(name), f"{value:.4f}", f"{value.low:.4f} to {value.high:.4f}"]
        for name, value in metrics.items()
    ]
    return _table(["Measure", "Value", "95 % interval"], rows)


def _ood(model: ModelReport) -> str:
    rows = [
        [
            plain(each.name), score.title, f"{score.auroc:.4f}",
            f"{score.auroc.low:.4f} to {score.auroc.high:.4f}", f"{score.fpr95:.4f}",
        ]
        for each in model.ood
        for score in each.scores
    ]  # fmt: skip
    return _table(["Set", "Score", "AUROC", "95 % interval", "FPR95"], rows)


def _definitions() -> str:
    return _list([
        f"{each.title}: {each.sentence}"
        + (f" {each.reference}." if each.reference else "")
        for each in MEASURES.values()
    ])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {plain(each)}" for each in sentences)
