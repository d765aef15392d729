"""The reliability diagram: confidence against accuracy, with the counts below."""

from collections.abc import Mapping, Sequence
from typing import Any

from ui.components.figure import IN_COLOR, MUTED, PERCENT, Figure, axis, figure
from ui.components.formats import count, percent

HEIGHT = 440


def reliability_figure(bins: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the bins of `evaluation.json`, empty ones being absent there.

    Args:
        bins: Each with lower, upper, count, confidence, accuracy and the ends of the
            95 % interval of accuracy, all but the count in 0..1.

    Returns:
        Accuracy with its intervals over the diagonal of perfect calibration, and below
        on the same axis how many examples each bin holds.
    """
    start = _start(bins)
    x = axis("Confidence of the prediction", range=[start, 1.005], tickformat=PERCENT)
    y = axis("Accuracy", range=[0, 1.06], tickformat=".0%", domain=[0.34, 1])
    below = axis("Examples", domain=[0, 0.22], rangemode="tozero", nticks=4)
    # Labels stand on the bars, so the tallest leaves them room.
    below["range"] = [0, 1.3 * max(item["count"] for item in bins)]
    x["anchor"] = "y2"
    traces = [_diagonal(start), _gaps(bins), _accuracies(bins), _counts(bins)]
    return figure(
        traces, x=x, y=y, height=HEIGHT, yaxis2=below, bargap=0, barmode="overlay"
    )


def reliability_alt(bins: Sequence[Mapping[str, Any]], ece: float) -> str:
    """Say in a sentence what the diagram shows."""
    total = sum(item["count"] for item in bins)
    over = sum(i["count"] for i in bins if i["confidence"] > i["accuracy"])
    return (
        f"Reliability diagram of {count(total)} test examples in {len(bins)} bins that "
        f"hold any. Expected calibration error {percent(ece, 2)}; "
        f"{percent(over / total, 0)} of the examples lie in overconfident bins."
    )


def _start(bins: Sequence[Mapping[str, Any]]) -> float:
    # Confidence cannot be below 1 / classes: an axis from 0 would be half empty.
    lowest = float(min(item["lower"] for item in bins))
    return max(0.0, lowest - 0.005)


def _diagonal(start: float) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": "Perfect calibration",
        "x": [start, 1], "y": [start, 1], "hoverinfo": "skip",
        "line": {"color": MUTED, "width": 1.5, "dash": "dot"},
    }  # fmt: skip


def _gaps(bins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The distance of each bin from the diagonal, as a bar between the two."""
    return {
        "type": "bar", "name": "Gap to confidence", "hoverinfo": "skip",
        "x": [_middle(item) for item in bins],
        "base": [item["confidence"] for item in bins],
        "y": [item["accuracy"] - item["confidence"] for item in bins],
        "width": [0.92 * (item["upper"] - item["lower"]) for item in bins],
        "marker": {"color": "@2/0.28"},
    }  # fmt: skip


def _accuracies(bins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines+markers", "name": "Accuracy, 95 % interval",
        "x": [item["confidence"] for item in bins],
        "y": [item["accuracy"] for item in bins],
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
            "color": f"{IN_COLOR}/0.7",
            "array": [i["accuracy_high"] - i["accuracy"] for i in bins],
            "arrayminus": [i["accuracy"] - i["accuracy_low"] for i in bins],
        },
        "line": {"color": f"{IN_COLOR}/0.5", "width": 1.5},
        "marker": {"color": IN_COLOR, "size": 7},
        "text": [_told(item) for item in bins],
        "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _counts(bins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "type": "bar", "name": "Examples", "showlegend": False, "yaxis": "y2",
        "x": [_middle(item) for item in bins],
        "y": [item["count"] for item in bins],
        "width": [0.92 * (item["upper"] - item["lower"]) for item in bins],
        "marker": {"color": f"{IN_COLOR}/0.55"},
        "text": [count(item["count"]) for item in bins],
        "textposition": "outside", "textangle": 0, "cliponaxis": False,
        "textfont": {"size": 10, "color": MUTED},
        "customdata": [_told(item) for item in bins],
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def _middle(item: Mapping[str, Any]) -> float:
    return float(item["lower"] + item["upper"]) / 2


def _told(item: Mapping[str, Any]) -> str:
    return (
        f"Bin {percent(item['lower'])} to {percent(item['upper'])}"
        f"<br>Mean confidence {percent(item['confidence'])}"
        f"<br>Accuracy {percent(item['accuracy'])} (95 % interval "
        f"{percent(item['accuracy_low'])} to {percent(item['accuracy_high'])})"
        f"<br>{count(item['count'])} examples"
    )
