"""What is computed of the predictions of a run: once, and again when a file changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from trainers.mapped import array_names, mapped_array
from trainers.runs import Run, RunError
from ui.components import predictions
from ui.components.predictions import OOD, Part
from ui.components.reading import stamp_of
from ui.views.compare.measured import BROKEN, Stamp

Scheme = Literal["width", "mass"]
Array = NDArray[np.float64]

ENTROPY, INFORMATION, DOUBT = "entropy", "information", "doubt"
SCORES = {
    ENTROPY: "Predictive entropy",
    INFORMATION: "Mutual information",
    DOUBT: "1 - confidence",
}


@dataclass(frozen=True, eq=False)
class Selective:
    """How risk falls with coverage, on a grid that all runs share.

    Args:
        coverage: Shares of examples that are kept, [P].
        risk: Share of errors among them, [P].
        measures: "aurc", "excess_aurc" and "coverage_at_risk" with intervals.
    """

    coverage: Array
    risk: Array
    measures: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Detection:
    """How out-of-distribution examples are told from the others.

    Args:
        false_positives: A grid of rates that all runs share, [P].
        true_positives: Rate of those found at each, [P].
        measures: "auroc" and "fpr95" with intervals.
        count: Number of out-of-distribution examples.
    """

    false_positives: Array
    true_positives: Array
    measures: Mapping[str, float]
    count: int


# Of each kind of shift, and of the mean of all: accuracy, nll and ece by severity.
Shift = Mapping[str, Mapping[str, Mapping[int, float]]]
ALL_KINDS = "all"
POINTS = 501  # of a curve


def diagram(run: Run, num_bins: int, scheme: Scheme) -> Any:
    """The reliability diagram on the test examples; see `calibration.reliability`."""
    return _diagram(str(run.path), stamp_of(run.predictions), num_bins, scheme)


def selective(run: Run) -> Selective:
    """Risk by coverage on the test examples, by confidence."""
    return _selective(str(run.path), stamp_of(run.predictions))


def detection(run: Run, name: str, score: str) -> Detection:
    """How the examples of an out-of-distribution set are found by a score."""
    return _detection(str(run.path), stamp_of(run.predictions), name, score)


def shift(run: Run) -> Shift:
    """What corruptions do; RunError if it was not measured."""
    return _shift(str(run.path), stamp_of(run.shift))


def ood_sets(run: Run) -> list[str]:
    """Names of the out-of-distribution sets that a run predicted, none if damaged."""
    try:
        names = predictions.parts(run)
    except BROKEN:
        return []
    return [name.removeprefix(OOD) for name in names if name.startswith(OOD)]


@st.cache_resource(max_entries=512, show_spinner=False)
def _diagram(path: str, stamp: Stamp, num_bins: int, scheme: Scheme) -> Any:  # noqa: ARG001
    from calibration import reliability_diagram

    mean, labels, _ = _judged(path)
    return reliability_diagram(mean, labels, num_bins, scheme)


@st.cache_resource(max_entries=256, show_spinner=False)
def _selective(path: str, stamp: Stamp) -> Selective:  # noqa: ARG001
    from calibration import (
        area_under_risk_coverage,
        coverage_at_risk,
        excess_area,
        risk_coverage_curve,
    )

    mean, labels, part = _judged(path)
    given = (mean, labels, 1 - part.confidence)
    curve = risk_coverage_curve(*given, max_points=POINTS)
    measures = {
        "aurc": area_under_risk_coverage(*given),
        "excess_aurc": excess_area(*given),
        "coverage_at_risk": coverage_at_risk(*given),
    }
    grid = np.linspace(0, 1, POINTS)[1:]
    return Selective(grid, np.interp(grid, curve.coverage, curve.risk), measures)


@st.cache_resource(max_entries=256, show_spinner=False)
def _detection(path: str, stamp: Stamp, name: str, score: str) -> Detection:  # noqa: ARG001
    from calibration import auroc, fpr_at_recall, roc_curve

    run = Run(Path(path))
    inside, outside = predictions.part(run), predictions.part(run, OOD + name)
    pair = _score(inside, score), _score(outside, score)
    curve = roc_curve(*pair)
    measures = {"auroc": auroc(*pair), "fpr95": fpr_at_recall(*pair)}
    grid = np.linspace(0, 1, POINTS)
    # Of a rate that has several, the last: where a step has risen to.
    last = np.append(np.diff(curve.false_positive_rate) > 0, True)
    kept = curve.false_positive_rate[last], curve.true_positive_rate[last]
    return Detection(grid, np.interp(grid, *kept), measures, len(outside))


def _score(part: Part, score: str) -> Array:
    if score == INFORMATION and part.num_samples < 2:
        raise RunError("one set of weights has no mutual information")
    by_name = {
        ENTROPY: part.total,
        INFORMATION: part.mutual_information,
        DOUBT: 1 - part.confidence,
    }
    return np.asarray(by_name[score], np.float64)


@st.cache_resource(max_entries=128, show_spinner=False)
def _shift(path: str, stamp: Stamp) -> Shift:  # noqa: ARG001
    from calibration import shift_summary, shift_table

    file = Run(Path(path)).shift
    if not file.exists():
        raise RunError("distribution shift was not measured")
    names = [n for n in array_names(file) if n not in ("labels", "indices", "clean")]
    parted = {name: name.rpartition("_") for name in names}
    shifted = {
        (kind, int(level)): mapped_array(file, name)
        for name, (kind, _, level) in parted.items()
    }
    clean, labels = mapped_array(file, "clean"), mapped_array(file, "labels")
    rows = shift_table(clean, shifted, labels)
    found: dict[str, dict[str, dict[int, float]]] = {}
    for measure in ("accuracy", "nll", "ece"):
        start = float(getattr(rows[0], measure))
        for row in rows[1:]:
            levels = found.setdefault(row.kind, {}).setdefault(measure, {0: start})
            levels[row.severity] = float(getattr(row, measure))
        found.setdefault(ALL_KINDS, {})[measure] = {
            row.severity: getattr(row, measure).mean for row in shift_summary(rows)
        }
    return found


def _judged(path: str) -> tuple[NDArray[np.float32], NDArray[np.int64], Part]:
    part = predictions.part(Run(Path(path)))
    if part.labels is None:
        raise RunError("predictions.npz has no labels")
    return part.mean, part.labels, part
