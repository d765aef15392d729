"""What the posterior says of each layer, as pictures: now, and after each epoch."""

import math
from collections.abc import Sequence
from typing import Any

from ui.components.figure import MUTED, PERCENT, Figure, axis, figure, line
from ui.components.labels import label
from ui.components.series import MAX_POINTS, Value, last
from ui.views.run.layer_measures import Layer, Measure

NUM_COLORS = 8  # lines that the theme's colours tell apart; more layers are a map
_LOG_RANGE = 20.0  # largest over smallest, from which on a log axis is drawn
_ROW, _FRAME, _HIGHEST = 22, 70, 900  # pixels of a layer, around them, and at most
_LONGEST = 28  # characters of a layer's name beside its bar


def name_of(layer: Layer) -> str:
    """A layer's name, which is text of a model and anything."""
    name = str(layer.get("name", ""))
    if name.isdecimal():
        return f"layer {name}"
    return name or "the model itself"


def by_layer(layers: Sequence[Layer], measure: Measure) -> tuple[Figure, str]:
    """A bar a layer in the model's order, or a dot on a log axis.

    Args:
        layers: Rows of `trainers.layers`.
        measure: What is drawn.

    Returns:
        The figure and, in a sentence, what it shows.
    """
    names, values = _labels(layers), [measure.of(row) for row in layers]
    told = [measure.told(each) for each in values]
    log = _wants_log(values) and not measure.share
    look = {"mode": "markers", "marker": {"color": "@4", "size": 10}}
    trace = {
        "type": "scatter" if log else "bar", "name": measure.title, "y": names,
        "x": values, "orientation": "h", "customdata": told,
        "hovertemplate": "%{y}: %{customdata}<extra></extra>",
        **(look if log else {"marker": {"color": "@4/0.85"}, "width": 0.6}),
    }  # fmt: skip
    x = _value_axis(measure, log)
    y = axis(autorange="reversed", showgrid=log, type="category", ticksuffix=" ")
    height = min(_HIGHEST, _FRAME + _ROW * max(3, len(layers)))
    alt = f"{measure.title} by layer: {_extremes(layers, values, told)}."
    return figure([trace], x=x, y=y, height=height), alt


def over_time(
    epochs: Sequence[tuple[float, Sequence[Layer]]], measure: Measure
) -> tuple[Figure, str]:
    """A line a layer, or a map of layers and epochs where there are many layers.

    Args:
        epochs: Epochs in order, each with its rows of `trainers.layers`.
        measure: What is drawn.

    Returns:
        The figure and, in a sentence, what it shows.
    """
    layers = epochs[-1][1][:MAX_POINTS]
    times = [epoch for epoch, _ in epochs]
    table = _table(epochs, layers, measure)
    ends = [last(row) for row in table]
    told = _extremes(layers, ends, [measure.told(each) for each in ends])
    alt = (
        f"{measure.title} of {len(layers)} layers over {len(times)} epochs; now {told}."
    )
    if len(layers) > NUM_COLORS:
        return _map(layers, times, table, measure), alt
    traces = [
        line(name, times, row, f"@{i + 1}", markers=len(times) <= 30,
             hovertemplate=f"%{{y:{'.1%' if measure.share else '.4~g'}}}")
        for i, (name, row) in enumerate(zip(_labels(layers), table, strict=True))
    ]  # fmt: skip
    log = not measure.share and _wants_log([each for row in table for each in row])
    x = axis("Epoch", rangemode="tozero")
    y = _value_axis(measure, log)
    return figure(traces, x=x, y=y, height=340, hovermode="x unified"), alt


def thinned_epochs(
    epochs: Sequence[tuple[float, Sequence[Layer]]],
) -> list[tuple[float, Sequence[Layer]]]:
    """Epochs evenly apart, the last one among them: as many as a chart can hold."""
    layers = max(1, len(epochs[-1][1])) if epochs else 1
    most = max(2, MAX_POINTS // layers if layers > NUM_COLORS else MAX_POINTS)
    every = max(1, -(-len(epochs) // most))
    return list(epochs[::-1][::every][::-1])


def _table(
    epochs: Sequence[tuple[float, Sequence[Layer]]],
    layers: Sequence[Layer],
    measure: Measure,
) -> list[list[Value]]:
    """Values by layer of the last epoch, and by epoch; None for what is not there."""
    columns = []
    for _, rows in epochs:
        found = {str(row.get("name", "")): measure.of(row) for row in rows}
        columns.append([found.get(str(layer.get("name", ""))) for layer in layers])
    return [list(row) for row in zip(*columns, strict=True)]


def _map(
    layers: Sequence[Layer],
    times: Sequence[float],
    table: Sequence[Sequence[Value]],
    measure: Measure,
) -> Figure:
    """Layers down, epochs across; the colour goes by the logarithm on wide ranges."""
    log = not measure.share and _wants_log([each for row in table for each in row])

    def shade(each: Value) -> Value:
        return math.log10(each) if log and each else each

    trace = {
        "type": "heatmap", "x": list(times), "y": _labels(layers),
        "z": [[shade(each) for each in row] for row in table],
        "customdata": [[measure.told(each) for each in row] for row in table],
        "hovertemplate": "%{y}, epoch %{x}: %{customdata}<extra></extra>",
        "colorscale": "@sequential", "showlegend": False,
        "colorbar": _bar(measure, log),
    }  # fmt: skip
    y = axis(autorange="reversed", showgrid=False, type="category", ticksuffix=" ")
    height = min(_HIGHEST, _FRAME + 16 * len(layers))
    return figure([trace], x=axis("Epoch", showgrid=False), y=y, height=height)


def _bar(measure: Measure, log: bool) -> dict[str, Any]:
    bar: dict[str, Any] = {
        "thickness": 12, "outlinewidth": 0, "tickfont": {"size": 11, "color": MUTED},
    }  # fmt: skip
    if log:  # the colours are exponents
        return bar | {"tickprefix": "10<sup>", "ticksuffix": "</sup>", "nticks": 5}
    return bar | {"tickformat": PERCENT if measure.share else "~g"}


def _value_axis(measure: Measure, log: bool) -> dict[str, Any]:
    if log:
        return axis(type="log", nticks=3, tickformat="~g")
    if measure.share:
        return axis(tickformat=PERCENT, rangemode="tozero")
    return axis(rangemode="tozero", tickformat="~g", nticks=6)


def _wants_log(values: Sequence[Value]) -> bool:
    """Whether positive values lie so far apart that small ones would vanish."""
    found = [each for each in values if each is not None]
    least = min(found, default=0.0)
    return least > 0 and max(found) / least >= _LOG_RANGE


def _labels(layers: Sequence[Layer]) -> list[str]:
    """Names for Plotly, which reads them as HTML and takes equal ones for the same."""
    names: list[str] = []
    for layer in layers:
        name = name_of(layer)
        if len(name) > _LONGEST:  # the ends of a path tell layers apart
            half = _LONGEST // 2
            name = f"{name[: half - 1]}…{name[-half:]}"
        while name in names:
            name += " "
        names.append(name)
    return [label(name, len(name)) for name in names]


def _extremes(
    layers: Sequence[Layer], values: Sequence[Value], told: Sequence[str]
) -> str:
    """Which layer has the smallest and which the largest value."""
    found = [
        (each, name_of(layer), text)
        for layer, each, text in zip(layers, values, told, strict=True)
        if each is not None
    ]
    if not found:
        return "not known"
    low, high = min(found, key=_first), max(found, key=_first)
    return f"smallest {low[2]} in {low[1]}, largest {high[2]} in {high[1]}"


def _first(found: tuple[float, str, str]) -> float:
    return found[0]
