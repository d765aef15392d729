"""Columns for what was measured and what was set: metrics, OOD detection, settings."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calibration.definitions import MEASURES
from data import DATASETS
from trainers.sweep import CHOICES, HYPERPARAMETERS, SETTINGS, setting
from ui.components.formats import words
from ui.components.reading import Summary
from ui.views.runs.column import Column

_SHORT = {"nll": "NLL", "ece": "ECE"}
_DIGITS = {"accuracy": "%.1f %%", "nll": "%.3f"}
_TITLES = {"lr": "Learning rate", "kl_clip": "KL clip", "ood": "OOD set"}
_NARROW, _WIDE = 85, 120  # pixels


def metrics(views: Sequence[Summary]) -> list[Column]:
    """A column for each metric that one of the runs has."""
    return [_metric(name) for name in _names(view.metrics for view in views)]


def _metric(name: str) -> Column:
    known = MEASURES.get(name)
    about = f"{known.title}: {known.sentence}" if known else "On the test split."
    percent = known is not None and known.percent
    return Column(
        id=name,
        title=_SHORT.get(name) or (known.title if known else words(name)),
        value=lambda view: view.metrics.get(name),
        kind="percent" if percent else "number",
        width=_NARROW if name in _SHORT or percent else _WIDE,
        help=about,
        format=_DIGITS.get(name) or ("%.2f %%" if percent else "%.4f"),
    )


def ood(views: Sequence[Summary]) -> list[Column]:
    """A column for each number of each out-of-distribution set."""
    return [
        _detection(data, name)
        for data in _names(view.ood for view in views)
        for name in _names(view.ood.get(data, {}) for view in views)
        if name != "num_examples"
    ]


def _detection(data: str, name: str) -> Column:
    known, spec = MEASURES.get(name), DATASETS.get(data)
    against = spec.title if spec else data
    about = known.sentence if known else "How well it is told from the test split."
    what = known.title if known else words(name).replace("Auroc", "AUROC")
    return Column(
        id=f"ood.{data}.{name}",
        title=f"{what}, {against}",
        value=lambda view: view.ood.get(data, {}).get(name),
        kind="number",
        width=_WIDE,
        help=f"Out of distribution: {against}. {about}",
        format="%.4f",
    )


def settings(views: Sequence[Summary]) -> list[Column]:
    """A column for each setting that one of the runs has."""
    configs = [view.config for view in views if view.config is not None]
    if not configs:
        return []
    taken = {name for config in configs for name in config.optimizer.hyperparameters}
    names = (name for name in SETTINGS if name not in CHOICES)
    return [
        _setting(name) for name in names if name not in HYPERPARAMETERS or name in taken
    ]


def _setting(name: str) -> Column:
    return Column(
        id=f"setting.{name}",
        title=_TITLES.get(name) or words(name),
        value=lambda view: setting(view.config, name) if view.config else None,
        kind="setting",
        width=_WIDE,
        help=f"The setting `{name}`.",
    )


def _names(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """All keys, in the order in which they come."""
    return list(dict.fromkeys(name for each in found for name in each))
