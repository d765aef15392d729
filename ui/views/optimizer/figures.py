"""What was measured, as figures: rows in, charts out."""

from collections.abc import Mapping, Sequence
from typing import Any

from ui.components.figure import MUTED, Figure, axis, figure, line
from ui.views.optimizer.measured import NETWORKS, Row, title

_COLORS = ("@1", "@3", "@2", "@4")


def cost_figure(costs: Sequence[Row]) -> Figure:
    """Step costs as ratios to AdamW's, a dot and its middle half a network.

    Args:
        costs: As `measured.step_costs` gives them.

    Returns:
        The figure.
    """
    methods = list(dict.fromkeys(row["method"] for row in costs))
    traces = [
        _dots(title(method), [row for row in costs if row["method"] == method], color)
        for method, color in zip(methods, _COLORS, strict=False)
    ]
    networks = list(dict.fromkeys(NETWORKS[row["network"]] for row in costs))
    highest = max(float(row.get("ratio_high") or row["ratio"]) for row in costs)
    one = {
        "type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1,
        "line": {"color": MUTED, "width": 1, "dash": "dot"},
    }  # fmt: skip
    return figure(
        traces,
        x=axis("time of a step, AdamW = 1", range=[0, 1.08 * highest]),
        y=axis(
            categoryorder="array", categoryarray=networks[::-1],
            range=[-0.5, len(networks) - 0.5], ticklabelstandoff=6,
        ),
        height=120 + 44 * len(networks),
        shapes=[one],
        scattermode="group",
    )  # fmt: skip


def _dots(name: str, costs: Sequence[Row], color: str) -> dict[str, Any]:
    ratios = [float(row["ratio"]) for row in costs]
    lows = [float(row.get("ratio_low") or row["ratio"]) for row in costs]
    highs = [float(row.get("ratio_high") or row["ratio"]) for row in costs]
    return {
        "type": "scatter", "mode": "markers", "name": name, "orientation": "h",
        "x": ratios, "y": [NETWORKS[row["network"]] for row in costs],
        "marker": {"color": color, "size": 10},
        "error_x": {
            "type": "data", "symmetric": False, "color": color, "thickness": 2,
            "width": 4, "array": [h - r for h, r in zip(highs, ratios, strict=True)],
            "arrayminus": [r - low for low, r in zip(lows, ratios, strict=True)],
        },
        "hovertemplate": "%{y}: %{x:.2f} times AdamW<extra>%{fullData.name}</extra>",
    }  # fmt: skip


def steps_figure(methods: Mapping[str, Sequence[Row]], chosen: str) -> Figure:
    """Steps to an accuracy by batch size, the chosen optimizer before the others.

    Args:
        methods: As `measured.large_batch` gives them.
        chosen: Name of the optimizer.

    Returns:
        The figure; where an accuracy was not reached, a line has a gap.
    """
    colors = iter(("@2", "@3", "@4", "@5", "@6", "@7", "@8"))
    traces = []
    for method in sorted(methods, key=lambda name: name == chosen):
        mine = methods[method]
        sizes = [float(row["batch_size"]) for row in mine]
        steps = [row["steps"] for row in mine]
        ours = method == chosen
        trace = line(
            title(method), sizes, steps, "@1" if ours else next(colors, MUTED),
            markers=True, width=4 if ours else 1.5,
            hovertemplate="batch %{x:,}: %{y:,} steps<extra>%{fullData.name}</extra>",
        )  # fmt: skip
        trace["legendrank"] = 1 if ours else 1000  # drawn last, named first
        traces.append(trace)
    sizes = sorted({row["batch_size"] for mine in methods.values() for row in mine})
    x = axis(
        "examples in a batch", type="log", tickvals=sizes,
        ticktext=[f"{size:,}" for size in sizes],
    )  # fmt: skip
    return figure(traces, x=x, y=axis("steps", type="log", dtick=1), height=300)
