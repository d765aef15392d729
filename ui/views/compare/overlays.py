"""Reliability, risk and coverage, ROC and shift of several entries in one chart. Pure.

Each takes the entries that have something, with what was found of each of their runs
(`ui.views.compare.measured.gathered`); a family is its mean with one deviation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration import ReliabilityDiagram
from ui.components.figure import MUTED, PERCENT, Figure, axis, figure
from ui.components.formats import compact, percent
from ui.views.compare.groups import Entry
from ui.views.compare.judged import Detection, Scheme, Selective
from ui.views.compare.severities import Shift
from ui.views.compare.spread import Array, Band, stacked
from ui.views.compare.strokes import Trace, mean, stroke

HEIGHT = 440  # pixels
LOW = 320
GAP, ACCURACY = "Gap", "Accuracy"
VIEWS = (ACCURACY, GAP)
FIELDS = ("confidence", "accuracy", "accuracy_low", "accuracy_high", "share")

Bins = Mapping[str, Array]  # by name of `FIELDS`, [B]; NaN where no run has an example
Of = Sequence[tuple[Entry, Sequence[Any]]]


def bins_of(diagrams: Sequence[ReliabilityDiagram], scheme: Scheme) -> dict[str, Array]:
    """The bins of one run, or their means over seeds.

    Args:
        diagrams: One a run, all of B bins.
        scheme: "width" or "mass"; of the latter bins go together by their order.

    Returns:
        By name of `FIELDS`, B' bins that any run has an example in. Of one run the
        ends are Wilson's 95 % interval, of several one deviation either way.
    """
    num_bins = max(each.num_bins for each in diagrams)
    values = np.full((len(FIELDS), len(diagrams), num_bins), np.nan)
    for place, each in enumerate(diagrams):
        order = np.arange(len(each.count))
        if scheme == "width":
            order = np.round(each.upper * num_bins).astype(np.intp) - 1
        columns = [getattr(each, name) for name in FIELDS[:-1]]
        shares = each.count / each.num_examples
        values[:, place, order] = [*columns, shares]
    held = ~np.isnan(values[0]).all(axis=0)
    found = {
        name: stacked(np.arange(int(held.sum())), rows[:, held]).mean
        for name, rows in zip(FIELDS, values, strict=True)
    }
    if len(diagrams) > 1:
        spread = stacked(np.arange(int(held.sum())), values[1][:, held])
        found["accuracy_low"] = np.maximum(spread.low, 0.0)
        found["accuracy_high"] = np.minimum(spread.high, 1.0)
    return found


def reliability(found: Of, scheme: Scheme, view: str = ACCURACY) -> Figure:
    """Accuracy by confidence, or how far it is above or below, over shares of examples.

    Args:
        found: Entries with the `ReliabilityDiagram`s of their runs.
        scheme: Of the bins.
        view: `ACCURACY`, or `GAP` for accuracy less confidence.
    """
    binned = [(entry, bins_of(each, scheme)) for entry, each in found]
    least = min(float(np.nanmin(bins["confidence"])) for _, bins in binned)
    start = max(0.0, least - 0.03)
    ends = [start, 1.0] if view == ACCURACY else [0.0, 0.0]
    ideal = _reference([start, 1.0], ends)
    traces = [ideal]
    for entry, bins in binned:
        traces += [_accuracies(entry, bins, view), _shares(entry, bins)]
    x = axis("Confidence of the prediction", tickformat=PERCENT, anchor="y2",
             range=[start, 1.01])  # fmt: skip
    names = {ACCURACY: "Accuracy", GAP: "Accuracy less confidence"}
    y = axis(names[view], tickformat=PERCENT, domain=[0.32, 1])
    # Nearly all examples may be in one bin: only a log axis shows the others.
    below = axis("Share of examples", domain=[0, 0.22], type="log", nticks=4,
                 tickformat="~%", exponentformat="none")  # fmt: skip
    return figure(
        traces, x=x, y=y, height=HEIGHT, yaxis2=below, showlegend=False,
        hovermode="closest",
    )  # fmt: skip


def _accuracies(entry: Entry, bins: Bins, view: str) -> Trace:
    less = bins["confidence"] if view == GAP else np.zeros_like(bins["confidence"])
    kind = "± one deviation" if entry.is_family else "95 % interval"
    text = [
        f"confidence {percent(c)}, accuracy {percent(a)} ({kind} {percent(low)} to "
        f"{percent(high)}), {percent(share)} of examples"
        for c, a, low, high, share in zip(*(bins[k] for k in FIELDS), strict=True)
    ]
    made = stroke(
        entry, bins["confidence"].tolist(), (bins["accuracy"] - less).tolist(),
        "%{text}", text=text,
    )  # fmt: skip
    made["mode"] = "lines+markers"
    made["error_y"] = {
        "type": "data", "symmetric": False, "thickness": 1.2, "width": 3,
        "color": f"{entry.color}/0.55",
        "array": (bins["accuracy_high"] - bins["accuracy"]).tolist(),
        "arrayminus": (bins["accuracy"] - bins["accuracy_low"]).tolist(),
    }  # fmt: skip
    return made


def _shares(entry: Entry, bins: Bins) -> Trace:
    x, y = bins["confidence"].tolist(), bins["share"].tolist()
    made = stroke(entry, x, y, "%{y:.1%} of examples", yaxis="y2")
    made["marker"]["size"] = 4
    made["line"]["width"] = 1.2
    return made


def reliability_alt(found: Of) -> str:
    """Say what the diagram shows."""
    told = [
        f"{entry.name} {percent(float(np.mean([each.ece for each in several])), 2)}"
        for entry, several in found
    ]
    return f"Reliability of {len(found)} entries. ECE: {', '.join(told)}."


def risk(found: Of) -> Figure:
    """Share of errors among the examples that are kept, by how many are.

    Args:
        found: Entries with the `Selective` of their runs.
    """
    traces: list[Trace] = []
    for entry, several in found:
        curves: Sequence[Selective] = several
        grid = curves[0].coverage
        traces += _curve(entry, grid, [each.risk for each in curves], ".2%")
    return figure(
        traces, height=HEIGHT, showlegend=False, hovermode="x unified",
        x=axis("Coverage: share of examples answered, the surest first",
               tickformat=PERCENT, range=[0, 1.005], hoverformat=".1%"),
        y=axis("Risk: share of errors among them", tickformat=PERCENT,
               rangemode="tozero"),
    )  # fmt: skip


def risk_alt(found: Of) -> str:
    """Say what the curves show."""
    told = [
        f"{entry.name} {percent(_mean_of(several, 'aurc'), 2)}"
        for entry, several in found
    ]
    return f"Risk by coverage; area under the curve (AURC): {', '.join(told)}."


def roc(found: Of) -> Figure:
    """Share of out-of-distribution examples found, by the share of false alarms.

    Args:
        found: Entries with the `Detection` of their runs.
    """
    traces: list[Trace] = [_reference([0.0, 1.0], [0.0, 1.0])]
    for entry, several in found:
        curves: Sequence[Detection] = several
        rates = [each.true_positives for each in curves]
        traces += _curve(entry, curves[0].false_positives, rates, ".1%")
    return figure(
        traces, height=HEIGHT, showlegend=False, hovermode="x unified",
        x=axis("False alarms: share of test examples flagged", tickformat=PERCENT,
               range=[0, 1.005], hoverformat=".1%"),
        y=axis("Found: share of the other examples flagged", tickformat=PERCENT,
               range=[0, 1.01]),
    )  # fmt: skip


def roc_alt(found: Of, title: str) -> str:
    """Say what the curves show."""
    told = [
        f"{entry.name} {percent(_mean_of(several, 'auroc'))}"
        for entry, several in found
    ]
    return f"ROC curves of telling {title} apart; AUROC: {', '.join(told)}."


def shifted(found: Of, kinds: Sequence[str], measure: str) -> tuple[Figure, str]:
    """A measure by severity of the corruption, and a sentence.

    Args:
        found: Entries with the `Shift` of their runs, each of which has these kinds.
        kinds: Of corruption; the mean over them is drawn.
        measure: Of `severities.MEASURED`.
    """
    is_percent = measure != "nll"
    traces: list[Trace] = []
    told = []
    for entry, several in found:
        tables: Sequence[Shift] = several
        curves = [each.mean(kinds, measure) for each in tables]
        levels = sorted(set.intersection(*(set(curve) for curve in curves)))
        rows = [[curve[level] for level in levels] for curve in curves]
        form = ".2%" if is_percent else ".4~g"
        traces += _curve(entry, np.array(levels, np.float64), rows, form)
        end = float(np.mean([row[-1] for row in rows]))
        shown = percent(end) if is_percent else compact(end)
        told.append(f"{entry.name} {shown}")
    ticks = {"tickformat": PERCENT} if is_percent else {}
    y = axis(rangemode="normal" if measure == "accuracy" else "tozero", **ticks)
    drawn = figure(
        traces, height=LOW, showlegend=False, hovermode="x unified",
        x=axis("Severity", dtick=1), y=y,
    )  # fmt: skip
    return drawn, f"At the greatest severity: {', '.join(told)}."


def _curve(
    entry: Entry, x: Array, rows: Sequence[Sequence[float] | Array], form: str
) -> list[Trace]:
    """The one row of an entry, or the mean of several with its band."""
    if len(rows) > 1:
        band: Band = stacked(x, np.array(rows))
        return mean(entry, band, form)
    values: NDArray[np.float64] = np.asarray(rows[0], np.float64)
    return [stroke(entry, x.tolist(), values.tolist(), f"%{{y:{form}}}")]


def _reference(x: list[float], y: list[float]) -> Trace:
    return {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip",
        "name": "", "showlegend": False,
        "line": {"color": MUTED, "width": 1.2, "dash": "dot"},
    }  # fmt: skip


def _mean_of(several: Sequence[Selective | Detection], name: str) -> float:
    return float(np.mean([each.measures[name] for each in several]))
