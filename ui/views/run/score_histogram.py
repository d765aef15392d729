"""A score in and out of distribution: how far it separates the two."""

from itertools import pairwise
from typing import Any

from calibration import ScoreHistogram
from ui.components.figure import (
    IN_COLOR,
    MUTED,
    OUT_COLOR,
    PERCENT,
    Figure,
    axis,
    figure,
)
from ui.components.formats import compact
from ui.components.labels import label

HEIGHT = 400


def histogram_figure(
    histogram: ScoreHistogram,
    inside: str,
    outside: str,
    title: str,
    *,
    threshold: float | None = None,
    log: bool = False,
) -> Figure:
    """Draw two histograms over the same bins.

    Args:
        histogram: The counts.
        inside: Name of the test set.
        outside: Name of the other set.
        title: Of the axis of scores.
        threshold: Where flagging begins; None for no line.
        log: Whether the shares have a logarithmic axis.

    Returns:
        Shares of either set, since the sets differ in size.
    """
    edges = histogram.edges.tolist()
    counts = histogram.in_distribution, histogram.out_of_distribution
    traces = [
        _bars(edges, counts[0].tolist(), f"{label(inside)} (in)", IN_COLOR),
        _bars(edges, counts[1].tolist(), f"{label(outside)} (out)", OUT_COLOR),
    ]
    y = axis("Share of the set", tickformat=PERCENT)
    if log:
        y |= {"type": "log", "dtick": 1, "tickformat": "~p"}
    return figure(
        traces,
        x=axis(title),
        y=y,
        height=HEIGHT,
        barmode="overlay",
        bargap=0.04,
        hovermode="x unified",
        **_marked(threshold, edges),
    )


def _marked(threshold: float | None, edges: list[float]) -> dict[str, Any]:
    if threshold is None:
        return {}
    line = {
        "type": "line", "x0": threshold, "x1": threshold, "y0": 0, "y1": 1,
        "yref": "paper", "line": {"color": "@text", "width": 1.5, "dash": "dash"},
    }  # fmt: skip
    note = {
        "x": threshold, "y": 1, "yref": "paper", "yanchor": "top",
        "xanchor": "left" if threshold < (edges[0] + edges[-1]) / 2 else "right",
        "showarrow": False, "text": f" flagged from {compact(threshold)} → ",
        "font": {"size": 11, "color": MUTED}, "bgcolor": "@panel/0.8",
    }  # fmt: skip
    return {"shapes": [line], "annotations": [note]}


def _bars(
    edges: list[float], counts: list[int], name: str, color: str
) -> dict[str, Any]:
    total = sum(counts) or 1
    return {
        "type": "bar",
        "name": name,
        "x": [(low + high) / 2 for low, high in pairwise(edges)],
        "y": [number / total for number in counts],
        "customdata": counts,
        "marker": {"color": f"{color}/0.6", "line": {"color": color, "width": 1}},
        "hovertemplate": "%{y:.1%} (%{customdata:,d} examples)",
    }
