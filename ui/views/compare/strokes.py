"""How entries look in charts: a line each, a band where it is a mean over seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ui.components import labels
from ui.components.figure import line
from ui.components.series import MAX_POINTS, Value, thinned
from ui.views.compare.groups import Entry
from ui.views.compare.spread import Band

Trace = dict[str, Any]
FEW = 30  # points: beyond, dots would hide the line
BAND, FAINT = 0.16, 0.45  # opacities


def label(entry: Entry) -> str:
    """Its name in a chart, whole: the end of it may be what tells it from others."""
    return labels.label(entry.name, len(entry.name))


def stroke(
    entry: Entry,
    x: Sequence[float],
    y: Sequence[Value],
    hover: str,
    **options: Any,
) -> Trace:
    """The line of an entry.

    Args:
        entry: Which one.
        x: Places.
        y: Values; None is a gap.
        hover: How a value is told, such as "%{y:.4g}".
        **options: Further keys of the trace.
    """
    made = line(
        label(entry), x, y, entry.color, markers=len(x) <= FEW, showlegend=False,
        hovertemplate=hover, **options,
    )  # fmt: skip
    made["line"]["dash"] = entry.dash
    made["marker"]["symbol"] = entry.symbol
    return made


def faint(entry: Entry, x: Sequence[float], y: Sequence[Value]) -> Trace:
    """A run of a family, or the unsmoothed values, beneath the line."""
    return line(
        label(entry), *thinned(x, y), f"{entry.color}/{FAINT}", width=1,
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def mean(entry: Entry, band: Band, form: str, *, log: bool = False) -> list[Trace]:
    """A mean over seeds with its band of one deviation either way.

    Args:
        entry: A family.
        band: Mean and deviation.
        form: d3's format of a value.
        log: Whether the axis is logarithmic: a band that reaches zero then ends a
            tenth of the mean.
    """
    band = band.thinned(MAX_POINTS // 2)  # the band goes there and back
    there = band.count > 1
    told = [
        f" ± {deviation:.3g}, n = {count}" if count > 1 else f", n = {count}"
        for deviation, count in zip(band.deviation, band.count, strict=True)
    ]
    hover = f"%{{y:{form}}}%{{text}}"
    drawn = stroke(entry, _floats(band.x), _values(band.mean), hover, text=told)
    if not there.any():
        return [drawn]
    x, low, high = band.x[there], band.low[there], band.high[there]
    if log:
        low = np.where(low > 0, low, band.mean[there] / 10)
    return [ribbon(entry, x, low, high), drawn]


def ribbon(
    entry: Entry,
    x: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Trace:
    """A band between two lines."""
    return {
        "type": "scatter", "mode": "lines", "name": label(entry), "fill": "toself",
        "x": [*_floats(x), *_floats(x[::-1])],
        "y": [*_floats(high), *_floats(low[::-1])],
        "line": {"width": 0}, "fillcolor": f"{entry.color}/{BAND}",
        "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def _floats(values: NDArray[np.float64]) -> list[float]:
    return [float(each) for each in values]


def _values(values: NDArray[np.float64]) -> list[Value]:
    return [float(each) if np.isfinite(each) else None for each in values]
