"""The reliability diagram: confidence against accuracy, with the counts below."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from calibration import ReliabilityDiagram
from ui.components.figure import IN_COLOR, MUTED, PERCENT, Figure, axis, figure
from ui.components.formats import count, percent

HEIGHT = 460
COLORS = (IN_COLOR, "@3")  # of one diagram, and of a second over it
TOP_LABEL = "Confidence of the prediction"
ACCURACY = "Accuracy"
_ROOM = 0.03  # width of a bar, as a share of the axis, that has room for its number


def reliability_figure(
    diagrams: Mapping[str, ReliabilityDiagram],
    confidence: str = TOP_LABEL,
    outcome: str = ACCURACY,
    *,
    log: bool = False,
) -> Figure:
    """Draw one diagram with its gaps, or two over each other.

    Args:
        diagrams: One or two by name.
        confidence: What the probability is of, the title of the shared axis.
        outcome: What it is a promise of, the title of the other one.
        log: Whether the counts have a logarithmic axis.

    Returns:
        The outcome with its intervals over the diagonal of perfect calibration, and
        below on the same axis how many examples each bin holds. The custom data of a
        point are the numbers of its diagram and of its bin.
    """
    start = _start(diagrams)
    x = axis(confidence, range=[start, 1.005], tickformat=PERCENT)
    y = axis(outcome, range=[0, 1.06], tickformat=".0%", domain=[0.34, 1])
    most = max(int(each.count.max()) for each in diagrams.values())
    x["anchor"] = "y2"
    traces = [_diagonal(start)]
    alone = len(diagrams) == 1
    for number, (name, each) in enumerate(diagrams.items()):
        traces += [_gaps(each)] if alone else []
        hover = _told(each, "" if alone else name, outcome)
        told = f"{outcome}, 95 % interval" if alone else name
        traces.append(_accuracies(each, number, told, hover))
    for number, each in enumerate(diagrams.values()):
        labelled = alone and _has_room(each, start)
        traces.append(_counts(each, number, _told(each, "", outcome), labelled))
    return figure(
        traces,
        x=x,
        y=y,
        height=HEIGHT,
        yaxis2=_below(most, log),
        bargap=0,
        barmode="overlay",
    )


def reliability_alt(diagrams: Mapping[str, ReliabilityDiagram]) -> str:
    """Say in a sentence what each diagram shows."""
    return " ".join(_alt(name, each) for name, each in diagrams.items())


def _alt(name: str, each: ReliabilityDiagram) -> str:
    over = int(each.count[each.confidence > each.accuracy].sum())
    return (
        f"Reliability diagram, {name}: {count(each.num_examples)} examples in "
        f"{len(each.count)} bins that hold any. The gaps are {percent(each.ece, 2)} on "
        f"average; {percent(over / each.num_examples, 0)} of the examples lie in "
        "overconfident bins."
    )


def _start(diagrams: Mapping[str, ReliabilityDiagram]) -> float:
    # Confidence cannot be below 1 / classes: an axis from 0 would be half empty.
    lowest = min(_low(each) for each in diagrams.values())
    return max(0.0, lowest - 0.005)


def _low(each: ReliabilityDiagram) -> float:
    # The first bin of equal mass begins at 0, far below its examples.
    low, high = float(each.lower[0]), float(each.upper[0])
    return low if high - low < 0.2 else max(low, 2 * float(each.confidence[0]) - high)


def _below(most: int, log: bool) -> dict[str, Any]:
    """The axis of the counts; labels stand on the bars, so the tallest leaves room."""
    below = axis("Examples", domain=[0, 0.22], nticks=4)
    if log:
        top = math.log10(most) + 0.35
        return below | {"type": "log", "range": [math.log10(0.5), top], "dtick": 1}
    return below | {"range": [0, 1.3 * most]}


def _diagonal(start: float) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": "Perfect calibration",
        "x": [start, 1], "y": [start, 1], "hoverinfo": "skip",
        "line": {"color": MUTED, "width": 1.5, "dash": "dot"},
    }  # fmt: skip


def _gaps(each: ReliabilityDiagram) -> dict[str, Any]:
    """The distance of each bin from the diagonal, as a bar between the two."""
    return {
        "type": "bar", "name": "Gap to confidence", "hoverinfo": "skip",
        "x": _middles(each), "width": _widths(each),
        "base": each.confidence.tolist(),
        "y": (each.accuracy - each.confidence).tolist(),
        "marker": {"color": "@2/0.28"},
    }  # fmt: skip


def _accuracies(
    each: ReliabilityDiagram, number: int, name: str, told: list[str]
) -> dict[str, Any]:
    color = COLORS[number]
    return {
        "type": "scatter", "mode": "lines+markers", "name": name,
        "x": each.confidence.tolist(), "y": each.accuracy.tolist(),
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
            "color": f"{color}/0.7",
            "array": (each.accuracy_high - each.accuracy).tolist(),
            "arrayminus": (each.accuracy - each.accuracy_low).tolist(),
        },
        "line": {"color": f"{color}/0.5", "width": 1.5},
        "marker": {"color": color, "size": 7},
        "text": told, "customdata": _places(each, number),
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _counts(
    each: ReliabilityDiagram, number: int, told: list[str], labelled: bool
) -> dict[str, Any]:
    color = COLORS[number]
    texts = [count(int(held)) if labelled else "" for held in each.count]
    fill = f"{color}/{0 if number else 0.55}"
    line = {"color": color, "width": 1.5 if number else 0}
    return {
        "type": "bar", "name": "Examples", "showlegend": False, "yaxis": "y2",
        "x": _middles(each), "y": each.count.tolist(), "width": _widths(each),
        "marker": {"color": fill, "line": line},
        "text": texts, "textposition": "outside", "textangle": 0,
        "cliponaxis": False, "textfont": {"size": 10, "color": MUTED},
        "hovertext": told, "customdata": _places(each, number),
        "hovertemplate": "%{hovertext}<extra></extra>",
    }  # fmt: skip


def _has_room(each: ReliabilityDiagram, start: float) -> bool:
    """Whether numbers stand on the bars without running into each other."""
    middles = _middles(each)
    nearest = min((b - a for a, b in pairwise(middles)), default=1.0)
    return nearest >= _ROOM * (1 - start)


def _places(each: ReliabilityDiagram, number: int) -> list[list[int]]:
    return [[number, k] for k in range(len(each.count))]


def _middles(each: ReliabilityDiagram) -> list[float]:
    middles: list[float] = ((each.lower + each.upper) / 2).tolist()
    return middles


def _widths(each: ReliabilityDiagram) -> list[float]:
    # Bins of equal mass may be far narrower than a pixel, and some are very wide.
    spans = (each.upper - each.lower).tolist()
    return [max(0.002, span - min(0.08 * span, 0.005)) for span in spans]


def _told(each: ReliabilityDiagram, name: str, outcome: str) -> list[str]:
    head = f"{name}<br>" if name else ""
    columns = (
        each.lower, each.upper, each.confidence, each.accuracy, each.accuracy_low,
        each.accuracy_high, each.count,
    )  # fmt: skip
    return [
        f"{head}Bin {percent(low)} to {percent(high)}"
        f"<br>Mean confidence {percent(says)}"
        f"<br>{outcome} {percent(right)} (95 % interval {percent(least)} to "
        f"{percent(most)})<br>{count(held)} examples"
        for low, high, says, right, least, most, held in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
