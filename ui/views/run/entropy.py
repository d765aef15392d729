"""Entropy in and out of distribution: how far a score separates the two."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ui.components.figure import IN_COLOR, OUT_COLOR, PERCENT, Figure, axis, figure
from ui.components.formats import decimal, percent

HEIGHT = 440


def entropy_figure(
    histogram: Mapping[str, Any], inside: str, outside: str, score: str
) -> Figure:
    """Draw two histograms over the same bins.

    Args:
        histogram: "edges" [B + 1] in nats, and the counts "in_distribution" and
            "out_of_distribution" [B].
        inside: Name of the test set.
        outside: Name of the out-of-distribution set.
        score: What is counted, such as "predictive entropy".

    Returns:
        Shares of either set, since the sets differ in size.
    """
    edges = histogram["edges"]
    traces = [
        _bars(edges, histogram["in_distribution"], f"{inside} (in)", IN_COLOR),
        _bars(edges, histogram["out_of_distribution"], f"{outside} (out)", OUT_COLOR),
    ]
    return figure(
        traces,
        x=axis(f"{score[:1].upper()}{score[1:]}, nats"),
        y=axis("Share of the set", tickformat=PERCENT),
        height=HEIGHT,
        barmode="overlay",
        bargap=0.04,
        hovermode="x unified",
    )


def entropy_alt(result: Mapping[str, Any], inside: str, outside: str) -> str:
    """Say in a sentence what the histograms show."""
    return (
        f"Histograms of {result['score']} on {inside} and on {outside}: AUROC "
        f"{decimal(result['auroc'])}, FPR95 {percent(result['fpr95'])}."
    )


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
