"""Charts on pages: matplotlib's axes drawn from the same data as Plotly's."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from calibration.report.chart import (
    Axis,
    Band,
    Bars,
    Chart,
    Line,
    Mark,
    Panel,
    legend_of,
)
from calibration.report.colors import LIGHT, SYMBOLS
from calibration.report.pages.sheet import Sheets
from calibration.report.pages.text import FAMILY, fitted, printable, width_of

TEXT = 7.0
LEGEND = 11.5  # height of its lines
_DASHES = {"solid": "-", "dash": "--", "dot": ":", "": "none"}
_STEPS = [1, 2, 2.5, 5, 10]  # of numbers along an axis
_SMALL = 120.0  # height below which there is no room for axis titles
_KEY = 18.0  # width of a legend's sample


def legend_rows(chart: Chart, room: float) -> list[list[Mark]]:
    """The marks of a legend, in lines that fit."""
    rows: list[list[Mark]] = []
    used = room
    for mark in legend_of(chart):
        width = _entry_width(mark, room)
        if used + width > room:
            rows.append([])
            used = 0.0
        rows[-1].append(mark)
        used += width
    return rows


def _entry(mark: Mark, room: float) -> str:
    return fitted(mark.name, TEXT, room - _KEY - 4)


def _entry_width(mark: Mark, room: float) -> float:
    return _KEY + 4 + width_of(_entry(mark, room), TEXT) + 12


def draw_legend(sheets: Sheets, chart: Chart, x: float, room: float) -> None:
    """Draw a legend at the height of the pages' cursor, and move that."""
    for row in legend_rows(chart, room):
        at = x
        for mark in row:
            _sample(sheets, mark, at, sheets.y + LEGEND / 2)
            sheets.write(at + _KEY + 4, sheets.y + 1.5, _entry(mark, room), TEXT)
            at += _entry_width(mark, room)
        sheets.y += LEGEND


def _sample(sheets: Sheets, mark: Mark, x: float, middle: float) -> None:
    color = LIGHT[mark.color]
    if not isinstance(mark, Line):
        style = {"facecolor": color, "alpha": mark.opacity}
        sheets.box(x + _KEY - 9, middle - 3.5, 9, 7, **style)
        return
    style = {"color": color, "linewidth": 1.3}
    sheets.line([x, x + _KEY], middle, linestyle=_DASHES[mark.dash], **style)
    if mark.symbol:
        marker = SYMBOLS[mark.symbol][0]
        sheets.line([x + _KEY / 2], middle, marker=marker, markersize=4, color=color)


def draw_chart(
    sheets: Sheets, chart: Chart, x: float, width: float, height: float
) -> None:
    """Draw a chart at the height of the pages' cursor, which stays where it is.

    Args:
        sheets: The pages.
        chart: The chart.
        x: Its left edge, in points.
        width: With all labels, in points.
        height: The same.
    """
    small = height < _SMALL
    left, right = (22.0, 6.0) if small else (44.0, 10.0)
    top, bottom = 5.0, _bottom(chart, small)
    gap = 9.0
    room = height - top - bottom - gap * (len(chart.panels) - 1)
    total = sum(panel.share for panel in chart.panels)
    at, wide = sheets.y + top, width - left - right
    for index, panel in enumerate(chart.panels):
        tall = room * panel.share / total
        axes = sheets.axes(x + left, at, wide, tall)
        last = index == len(chart.panels) - 1
        draw_panel(axes, chart.x, panel, (wide, tall), small=small, last=last)
        at += tall + gap


def draw_panel(
    axes: Axes,
    x: Axis,
    panel: Panel,
    size: tuple[float, float],
    *,
    small: bool = False,
    last: bool = True,
) -> None:
    """Draw one panel of a chart.

    Args:
        axes: Where.
        x: The horizontal axis.
        panel: What.
        size: Width and height, in points.
        small: Whether there is no room for axis titles.
        last: Whether the horizontal axis is labelled.
    """
    for mark in panel.marks:
        _draw(axes, mark)
    _style(axes, x, panel.y, size, small, last)


def _bottom(chart: Chart, small: bool) -> float:
    if small:
        return 14.0
    labels = chart.x.ticks.values()
    longest = max((width_of(printable(label), TEXT) for label in labels), default=0.0)
    return 25.0 + (longest if longest > 20 else 0.0)


def _draw(axes: Axes, mark: Mark) -> None:
    color = LIGHT[mark.color]
    if isinstance(mark, Band):
        axes.fill_between(
            mark.x, mark.low, mark.high, color=color, alpha=mark.opacity, linewidth=0
        )
    elif isinstance(mark, Bars):
        axes.bar(
            mark.x, mark.heights, mark.widths, bottom=mark.bases or 0, color=color,
            alpha=mark.opacity, linewidth=0,
        )  # fmt: skip
    else:
        _line(axes, mark, color)


def _line(axes: Axes, mark: Line, color: str) -> None:
    axes.plot(
        mark.x, mark.y, color=color, linestyle=_DASHES[mark.dash], alpha=mark.opacity,
        linewidth=0.65 * mark.width, markersize=3.2,
        marker=SYMBOLS[mark.symbol][0] if mark.symbol else "",
    )  # fmt: skip
    if mark.low:
        axes.vlines(mark.x, mark.low, mark.high, colors=color, alpha=0.7, linewidth=0.8)


def _style(
    axes: Axes, x: Axis, y: Axis, size: tuple[float, float], small: bool, last: bool
) -> None:
    width, height = size
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=LIGHT["line"], linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=LIGHT["muted"], linewidth=0.6)
    axes.tick_params(length=2, width=0.5, pad=2, color=LIGHT["muted"])
    if x.log:
        axes.set_xscale("log")
        axes.minorticks_off()
    _limits(axes.set_xlim, x)
    _limits(axes.set_ylim, y)
    ticks = 2 if small else max(2, round(height / 32))
    axes.yaxis.set_major_locator(MaxNLocator(ticks, steps=_STEPS))
    axes.xaxis.set_major_locator(MaxNLocator(max(2, round(width / 38)), steps=_STEPS))
    for each, axis in ((axes.xaxis, x), (axes.yaxis, y)):
        if axis.percent:
            each.set_major_formatter(FuncFormatter(_percent))
            if small:
                each.set_major_locator(FixedLocator([0, 0.5, 1]))
    if x.ticks:
        axes.set_xticks(list(x.ticks), [""] * len(x.ticks))
        _name_ticks(axes, x)
    if not last:
        axes.tick_params(labelbottom=False)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(fontsize=5.6 if small else TEXT - 0.5, fontfamily=FAMILY)
        label.set_color(LIGHT["ink"])
    if not small:
        style: dict[str, Any] = {"fontsize": TEXT, "color": LIGHT["ink"]}
        style |= {"parse_math": False, "labelpad": 3, "fontfamily": FAMILY}
        axes.set_ylabel(printable(y.title), **style)
        if last:
            axes.set_xlabel(printable(x.title), **style)


def _limits(setter: Any, axis: Axis) -> None:
    setter(axis.low, axis.high)


def _name_ticks(axes: Axes, x: Axis) -> None:
    """Label ticks with text that is not ours: no dollar sign may turn it to math."""
    longest = max(width_of(printable(label), TEXT) for label in x.ticks.values())
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
        label.set_rotation(90 if longest > 20 else 0)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: printable(x.ticks.get(float(value), "")))
    )


def _percent(value: float, _: Any) -> str:
    return f"{100 * value:.4g}%"
