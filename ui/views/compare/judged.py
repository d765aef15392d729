"""What is computed of the predictions of a run: once, and again when a file changed."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from trainers.runs import Run, RunError
from ui.components import predictions, scores
from ui.components.guarded import BROKEN
from ui.components.latest import Stamp, stamp_of
from ui.components.predictions import OOD, TEST, Part
from ui.components.scores import CONFIDENCE

POINTS = 501  # of a curve

Scheme = Literal["width", "mass"]
Array = NDArray[np.float64]


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


def diagram(run: Run, num_bins: int, scheme: Scheme) -> Any:
    """The reliability diagram on the test examples; see `calibration.reliability`."""
    return _diagram(str(run.path), stamp_of(run.predictions), num_bins, scheme)


def selective(run: Run, by: str = CONFIDENCE) -> Selective:
    """Risk by coverage on the test examples.

    Args:
        run: An evaluated run.
        by: Of `ui.components.scores.CERTAINTIES`: what is unsure by it is refused.
    """
    return _selective(str(run.path), stamp_of(run.predictions), by)


def detection(run: Run, name: str, score: str) -> Detection:
    """How the examples of an out-of-distribution set are found by a score."""
    return _detection(str(run.path), stamp_of(run.predictions), name, score)


def ood_sets(run: Run) -> list[str]:
    """Names of the out-of-distribution sets that a run predicted, none if damaged."""
    try:
        return scores.sets(run)
    except BROKEN:
        return []


def offered(runs: Iterable[Run], name: str) -> dict[str, str]:
    """The scores that any of some runs has of a set, by name with their titles."""
    found = []
    for run in runs:
        with suppress(*BROKEN):
            found.append(scores.offered(run, name))
    return scores.merged(found)


@st.cache_resource(max_entries=512, show_spinner=False)
def _diagram(path: str, stamp: Stamp, num_bins: int, scheme: Scheme) -> Any:  # noqa: ARG001
    from calibration import reliability_diagram

    mean, labels, _ = _judged(path)
    return reliability_diagram(mean, labels, num_bins, scheme)


@st.cache_resource(max_entries=256, show_spinner=False)
def _selective(path: str, stamp: Stamp, by: str) -> Selective:  # noqa: ARG001
    from calibration import (
        area_under_risk_coverage,
        coverage_at_risk,
        excess_area,
        risk_coverage_curve,
    )

    mean, labels, part = _judged(path)
    given = (mean, labels, scores.of_part(part, by))
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
    inside, outside = (scores.scores(run, part, score) for part in (TEST, OOD + name))
    pair = inside, outside
    curve = roc_curve(*pair)
    measures = {"auroc": auroc(*pair), "fpr95": fpr_at_recall(*pair)}
    grid = np.linspace(0, 1, POINTS)
    # Of a rate that has several, the last: where a step has risen to.
    last = np.append(np.diff(curve.false_positive_rate) > 0, True)
    kept = curve.false_positive_rate[last], curve.true_positive_rate[last]
    return Detection(grid, np.interp(grid, *kept), measures, len(outside))


def _judged(path: str) -> tuple[NDArray[np.float32], NDArray[np.int64], Part]:
    part = predictions.part(Run(Path(path)))
    if part.labels is None:
        raise RunError("predictions.npz has no labels")
    return part.mean, part.labels, part
