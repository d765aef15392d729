"""A chart for Plotly: plain data that plotly.js takes as it is.

Colours stay roles, written "@role" or "@role/opacity": the page's script looks them up,
so that a figure follows the reader's light or dark theme. Text of the data is escaped,
as Plotly reads tags in text, and "%" too where Plotly would read a template.
"""

import html
from typing import Any

from calibration.report.chart import Axis, Band, Bars, Chart, Line, Mark

Data = dict[str, Any]
_GAP = 0.07  # between panels, as a share of the height
_TICK_EVERY = 42  # pixels, at most that often


def plotly_figure(chart: Chart) -> Data:
    """Turn a chart into `data` and `layout` of plotly.js.

    Args:
        chart: The chart.

    Returns:
        JSON-ready data; the layout's colours and fonts are the page's matter.
    """
    layout: Data = {
        "height": chart.height, "barmode": "overlay", "bargap": 0, "showlegend": False,
    }  # fmt: skip
    traces: list[Data] = []
    domains = _domains(chart.panels)
    last = len(chart.panels) - 1
    for index, (panel, domain) in enumerate(zip(chart.panels, domains, strict=True)):
        suffix = "" if index == 0 else str(index + 1)
        room = (domain[1] - domain[0]) * chart.height
        ticks = {"domain": domain, "nticks": max(2, round(room / _TICK_EVERY))}
        layout[f"yaxis{suffix}"] = _axis(panel.y) | ticks
        for mark in panel.marks:
            made = _traces(mark, chart.x, panel.y)
            traces += [trace | {"yaxis": f"y{suffix}"} for trace in made]
        if index == last:
            layout["xaxis"] = _axis(chart.x) | {"anchor": f"y{suffix}"}
    return {"data": traces, "layout": layout}


def plain(text: str) -> str:
    """Escape a text that Plotly would read tags, entities or templates in."""
    return html.escape(text, quote=False).replace("%", "&#37;").replace("$", "&#36;")


def _domains(panels: Any) -> list[list[float]]:
    """Where each panel lies, from top to bottom, as shares of the height."""
    room = 1 - _GAP * (len(panels) - 1)
    total = sum(panel.share for panel in panels)
    top, domains = 1.0, []
    for panel in panels:
        bottom = top - room * panel.share / total
        domains.append([max(0.0, round(bottom, 6)), round(top, 6)])
        top = bottom - _GAP
    return domains


def _axis(axis: Axis) -> Data:
    made: Data = {"title": {"text": plain(axis.title)}}
    if axis.log:
        made["type"] = "log"
    elif axis.low is not None and axis.high is not None:
        made["range"] = [axis.low, axis.high]
    elif axis.low == 0:
        made["rangemode"] = "tozero"
    if axis.percent:
        made["tickformat"] = ".0%"
    if axis.ticks:
        made["tickvals"] = list(axis.ticks)
        made["ticktext"] = [plain(label) for label in axis.ticks.values()]
    return made


def _traces(mark: Mark, x: Axis, y: Axis) -> list[Data]:
    if isinstance(mark, Line):
        return [_line(mark, x, y)]
    if isinstance(mark, Bars):
        return [_bars(mark, x, y)]
    return [_band(mark)]


def _line(mark: Line, x: Axis, y: Axis) -> Data:
    modes = [
        name for name, on in (("lines", mark.dash), ("markers", mark.symbol)) if on
    ]
    trace: Data = {
        "type": "scatter", "mode": "+".join(modes), "x": [*mark.x], "y": [*mark.y],
        "opacity": mark.opacity, "hovertemplate": _hover(mark.name, x, y),
        "line": {"color": f"@{mark.color}", "width": mark.width, "dash": mark.dash},
    }  # fmt: skip
    if mark.symbol:
        trace["marker"] = {"color": f"@{mark.color}", "size": 7, "symbol": mark.symbol}
    if mark.low:
        pairs = list(zip(mark.y, mark.low, mark.high, strict=True))
        trace["error_y"] = {
            "type": "data", "symmetric": False, "thickness": 1.3, "width": 3,
            "color": f"@{mark.color}/0.7",
            "array": [high - value for value, _, high in pairs],
            "arrayminus": [value - low for value, low, _ in pairs],
        }  # fmt: skip
    return trace


def _bars(mark: Bars, x: Axis, y: Axis) -> Data:
    return {
        "type": "bar", "x": [*mark.x], "y": [*mark.heights], "width": [*mark.widths],
        "base": [*mark.bases] or None,
        "marker": {"color": f"@{mark.color}/{mark.opacity:g}", "line": {"width": 0}},
        "hovertemplate": _hover(mark.name, x, y),
    }  # fmt: skip


def _band(mark: Band) -> Data:
    return {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip", "fill": "toself",
        "x": [*mark.x, *reversed(mark.x)], "y": [*mark.high, *reversed(mark.low)],
        "line": {"width": 0}, "fillcolor": f"@{mark.color}/{mark.opacity:g}",
    }  # fmt: skip


def _hover(name: str, x: Axis, y: Axis) -> str:
    lines = [f"<b>{plain(name)}</b>"] if name else []
    for axis, letter in ((x, "x"), (y, "y")):
        form = ".1%" if axis.percent else ".4~g"
        title = plain(axis.title or letter)
        lines.append(f"{title}: %{{{letter}:{form}}}")
    return "<br>".join(lines) + "<extra></extra>"
