"""Maps over the plane: what the network says where, and how sure it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from ui.components.figure import Figure, axis, figure
from ui.components.labels import label

HEIGHT = 440
Grid = Sequence[Sequence[float]]
ENTROPY, ALEATORIC, EPISTEMIC = "entropy", "expected_entropy", "mutual_information"


def heights(content: Mapping[str, Any], key: str) -> list[list[float]]:
    """The values of a map, [H][W] in nats.

    Args:
        content: "entropy" and "mutual_information" [H][W].
        key: One of these, or "expected_entropy", which is their difference.
    """
    if key != ALEATORIC:
        return [list(row) for row in content[key]]
    pairs = zip(content[ENTROPY], content[EPISTEMIC], strict=True)
    return [
        [max(0.0, total - part) for total, part in zip(*rows, strict=True)]
        for rows in pairs
    ]


def decision_figure(
    content: Mapping[str, Any], names: Sequence[str], points: bool = True
) -> Figure:
    """Draw the most probable class, stronger where it is surer, with the boundaries.

    Args:
        content: "x" [W], "y" [H], "probability" [C][H][W], "points".
        names: Class names, [C].
        points: Whether to draw the training points.
    """
    names = [label(name) for name in names]
    grids = content["probability"]
    layers = [_region(content, grids, k, name) for k, name in enumerate(names)]
    # With two classes one boundary is the other.
    drawn = range(1) if len(names) == 2 else range(len(names))
    layers += [_boundary(content, grids, k) for k in drawn]
    return _plane(content, [*layers, *(_points(content, names) if points else [])])


def uncertainty_figure(
    content: Mapping[str, Any],
    key: str,
    names: Sequence[str],
    points: bool = True,
    largest: float | None = None,
) -> Figure:
    """Draw an entropy in nats as a heat map.

    Args:
        content: The map.
        key: "entropy", "expected_entropy" or "mutual_information".
        names: Class names, [C].
        points: Whether to draw the training points.
        largest: Where the colours end; by default at the largest value.
    """
    names = [label(name) for name in names]
    heat = {
        "type": "heatmap", "x": content["x"], "y": content["y"],
        "z": heights(content, key),
        "colorscale": "@sequential", "zmin": 0, "zsmooth": "best", "showlegend": False,
        "hovertemplate": "%{z:.3f} nats<extra></extra>",
        "colorbar": {
            "title": {"text": "nats", "font": {"size": 11}}, "thickness": 10,
            "outlinewidth": 0, "tickfont": {"size": 10}, "len": 1,
        },
    }  # fmt: skip
    if largest is not None:
        heat["zmax"] = largest
    drawn = _points(content, names, 3.5) if points else []
    return _plane(content, [heat, *({**each, "showlegend": False} for each in drawn)])


def map_alt(
    title: str, content: Mapping[str, Any], key: str, points: bool = True
) -> str:
    """Say in a sentence what a heat map shows."""
    values = [value for row in heights(content, key) for value in row]
    return (
        f"{title} over the plane, from {min(values):.3f} to {max(values):.3f} nats"
        f"{', with the training points' if points else ''}."
    )


def _region(
    content: Mapping[str, Any], grids: Sequence[Grid], k: int, name: str
) -> dict[str, Any]:
    best = [
        [cell[k] if cell[k] == max(cell) else None for cell in row]
        for row in _cells(grids)
    ]
    return {
        "type": "heatmap", "x": content["x"], "y": content["y"], "z": best,
        "zmin": 1 / len(grids), "zmax": 1, "showscale": False, "showlegend": False,
        "colorscale": [[0, f"@{k + 1}/0.04"], [1, f"@{k + 1}/0.6"]],
        "hovertemplate": f"{name} %{{z:.1%}}<extra></extra>", "hoverongaps": False,
    }  # fmt: skip


def _boundary(
    content: Mapping[str, Any], grids: Sequence[Grid], k: int
) -> dict[str, Any]:
    margin = [
        [cell[k] - max(cell[:k] + cell[k + 1 :]) for cell in row]
        for row in _cells(grids)
    ]
    return {
        "type": "contour", "x": content["x"], "y": content["y"], "z": margin,
        "contours": {"start": 0, "end": 0, "size": 1, "coloring": "none"},
        "line": {"color": "@text/0.8", "width": 1.5}, "showscale": False,
        "showlegend": False, "hoverinfo": "skip",
    }  # fmt: skip


def _cells(grids: Sequence[Grid]) -> list[list[list[float]]]:
    """From [C][H][W] to [H][W][C]."""
    return [
        [list(cell) for cell in zip(*rows, strict=True)]
        for rows in zip(*grids, strict=True)
    ]


def _points(
    content: Mapping[str, Any], names: Sequence[str], size: float = 5
) -> list[dict[str, Any]]:
    points = content["points"]
    pairs = list(zip(points["inputs"], points["labels"], strict=True))
    return [
        {
            "type": "scatter", "mode": "markers", "name": name,
            "x": [position[0] for position, label in pairs if label == k],
            "y": [position[1] for position, label in pairs if label == k],
            "marker": {
                "color": f"@{k + 1}", "size": size,
                "line": {"color": "@panel", "width": 0.8},
            },
            "hovertemplate": f"{name}<extra></extra>",
        }
        for k, name in enumerate(names)
    ]  # fmt: skip


def _plane(content: Mapping[str, Any], traces: list[dict[str, Any]]) -> Figure:
    x, y = content["x"], content["y"]
    return figure(
        traces,
        x=axis(range=[x[0], x[-1]], showgrid=False),
        y=axis(range=[y[0], y[-1]], showgrid=False),
        height=HEIGHT,
    )
