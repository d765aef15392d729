"""Features in two dimensions: their places by PCA, and the chart of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ui.components.figure import Figure, axis, figure
from ui.components.formats import count, decimal
from ui.components.labels import label
from ui.components.predictions import Part

HEIGHT = 640
ENTROPY, EPISTEMIC = "Entropy", "Mutual information"
PREDICTED, RIGHT = "Predicted class", "Right or wrong"
MAX_CLASSES = 16  # with a colour and symbol of their own
_SYMBOLS = ("circle", "square")  # each with eight colours

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Group:
    """The examples of a set that are drawn.

    Args:
        name: Of the set of predictions.
        title: Of the set on the page.
        part: What was predicted of all of the set.
        rows: The rows that are drawn, ascending, [K].
        places: Where, [K, 2].
    """

    name: str
    title: str
    part: Part
    rows: NDArray[np.int64]
    places: Floats

    @property
    def is_out(self) -> bool:
        """Whether the set is out of distribution."""
        return self.part.labels is None


def principal_plane(
    features: Sequence[NDArray[Any]],
) -> tuple[list[Floats], float]:
    """Project features on the two directions in which the first ones vary most.

    Args:
        features: Of each set, [K, D]; the directions are those of the first set.

    Returns:
        Places [K, 2] of each set, and the share of the variance of the first set that
        the plane holds. Signs are such that the largest weight of a direction is
        positive, so that a map looks the same each time.
    """
    first = np.asarray(features[0], np.float64)
    centre = first.mean(axis=0)
    _, scale, directions = np.linalg.svd(first - centre, full_matrices=False)
    axes = np.zeros((2, first.shape[1]))
    axes[: min(2, len(directions))] = directions[:2]
    largest = axes[(0, 1), np.abs(axes).argmax(axis=1)]
    axes *= np.where(largest < 0, -1.0, 1.0)[:, None]
    variance = scale**2
    share = float(variance[:2].sum() / variance.sum()) if variance.sum() > 0 else 1.0
    places = [(np.asarray(each, np.float64) - centre) @ axes.T for each in features]
    return places, share


def embedding_figure(
    groups: Sequence[Group], coloring: str, names: Sequence[str], axes: tuple[str, str]
) -> Figure:
    """Draw the examples, those out of distribution as diamonds.

    Args:
        groups: The sets, the test set first.
        coloring: `ENTROPY`, `EPISTEMIC`, `PREDICTED` or `RIGHT`.
        names: Class names, [C].
        axes: What the axes are.
    """
    if coloring in {ENTROPY, EPISTEMIC}:
        traces = _by_number(groups, coloring, names)
    elif coloring == RIGHT:
        traces = _by_success(groups, names)
    else:
        traces = _by_class(groups, names)
    blank = {"showgrid": False, "showticklabels": False}
    return figure(
        traces, x=axis(axes[0], **blank), y=axis(axes[1], **blank), height=HEIGHT,
        hovermode="closest",
    )  # fmt: skip


def embedding_alt(groups: Sequence[Group], method: str, coloring: str) -> str:
    """Say in a sentence what the chart shows, with how the sets differ."""
    shown = ", ".join(f"{count(len(each.rows))} of {each.title}" for each in groups)
    key = "mutual_information" if coloring == EPISTEMIC else "total"
    word = "mutual information" if coloring == EPISTEMIC else "entropy"
    means = ", ".join(
        f"{decimal(float(getattr(each.part, key)[each.rows].mean()))} nats in "
        f"{each.title}"
        for each in groups
    )
    return (
        f"Map of the last layer's features by {method}, coloured by "
        f"{coloring.lower()}: {shown}. Mean {word}: {means}."
    )


def _points(
    group: Group, picked: NDArray[Any], name: str, names: Sequence[str], marker: Any
) -> dict[str, Any]:
    rows, places = group.rows[picked], group.places[picked]
    symbol = {"symbol": "diamond"} if group.is_out else {}
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "x": np.round(places[:, 0], 4).tolist(),
        "y": np.round(places[:, 1], 4).tolist(),
        "customdata": [[group.name, int(row)] for row in rows],
        "text": [_hover(group, int(row), names) for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 6, "opacity": 0.85, **symbol, **marker},
    }  # fmt: skip


def _hover(group: Group, row: int, names: Sequence[str]) -> str:
    part = group.part
    said = label(names[part.prediction[row]])
    true = "" if part.labels is None else f", is {label(names[part.labels[row]])}"
    return (
        f"{label(group.title)}, {row}: {said}{true}<br>confidence "
        f"{100 * float(part.confidence[row]):.1f} %, entropy "
        f"{decimal(float(part.total[row]))} nats"
    )


def _by_number(
    groups: Sequence[Group], coloring: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    values = [
        each.part.mutual_information if coloring == EPISTEMIC else each.part.total
        for each in groups
    ]
    largest = max(
        float(each[g.rows].max()) for each, g in zip(values, groups, strict=True)
    )
    traces = []
    for number, (group, each) in enumerate(zip(groups, values, strict=True)):
        marker: dict[str, Any] = {
            "color": np.round(each[group.rows], 5).tolist(),
            "colorscale": "@sequential", "cmin": 0, "cmax": max(largest, 1e-9),
            "showscale": number == 0,
            "line": {"color": "@2" if group.is_out else "@text/0.35", "width": 0.7},
            "colorbar": {
                "title": {"text": "nats", "font": {"size": 11}}, "thickness": 10,
                "outlinewidth": 0, "tickfont": {"size": 10}, "len": 1,
            },
        }  # fmt: skip
        everything = np.arange(len(group.rows))
        traces.append(_points(group, everything, label(group.title), names, marker))
    return traces


def _outside(group: Group, names: Sequence[str]) -> dict[str, Any]:
    everything = np.arange(len(group.rows))
    marker = {"color": "@text/0.35"}
    return _points(group, everything, label(group.title), names, marker)


def _by_success(groups: Sequence[Group], names: Sequence[str]) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for group in groups:
        if group.is_out:
            traces.append(_outside(group, names))
            continue
        correct = group.part.correct[group.rows]
        for wanted, name, marker in (
            (True, "Right", {"color": "@1/0.5"}),
            (False, "Wrong", {"color": "@2", "size": 7}),
        ):
            picked = np.flatnonzero(correct == wanted)
            if len(picked):
                traces.append(_points(group, picked, name, names, marker))
    return traces


def _by_class(groups: Sequence[Group], names: Sequence[str]) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for group in groups:
        if group.is_out:
            traces.append(_outside(group, names))
            continue
        predicted = group.part.prediction[group.rows]
        classes = np.bincount(predicted, minlength=len(names))
        own = [int(k) for k in np.argsort(-classes, kind="stable")[:MAX_CLASSES]]
        for place, k in enumerate(sorted(own)):
            picked = np.flatnonzero(predicted == k)
            if len(picked):
                marker = {"color": f"@{place % 8 + 1}", "symbol": _SYMBOLS[place // 8]}
                traces.append(_points(group, picked, label(names[k]), names, marker))
        others = np.flatnonzero(~np.isin(predicted, own))
        if len(others):
            name = f"{len(names) - len(own)} other classes"
            traces.append(_points(group, others, name, names, {"color": "@text/0.25"}))
    return traces
