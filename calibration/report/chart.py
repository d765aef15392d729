"""A chart as data: what is drawn, not how. Plotly and matplotlib both draw from it.

A chart is a column of panels over one another that share their horizontal axis. A
colour is a role (see `calibration.report.colors`), so that a chart suits a light page,
a dark one, and paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis.

    Args:
        title: What is along it, with its unit; "" for none.
        low: Where it starts; None for where the data do.
        high: Where it ends; None for where the data do.
        percent: Whether its numbers are shares, to be read as per cent.
        ticks: Positions and their labels, instead of numbers.
        log: Whether it is logarithmic; it then starts and ends where the data do.
    """

    title: str = ""
    low: float | None = None
    high: float | None = None
    percent: bool = False
    ticks: dict[float, str] = field(default_factory=dict)
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points in a row, joined where `dash` says how.

    Args:
        name: What it is, for the legend and for who points at it.
        x: Positions.
        y: Values.
        low: Lower ends of error bars; empty for none.
        high: Upper ends of error bars.
        color: A role.
        dash: "solid", "dash", "dot", or "" for no line.
        symbol: A key of `calibration.report.colors.SYMBOLS`, or "" for no points.
        width: Of the line, in pixels.
        opacity: 0 to 1.
        legend: Whether the legend has it.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    color: str = "ink"
    dash: str = "solid"
    symbol: str = ""
    width: float = 2.0
    opacity: float = 1.0
    legend: bool = True


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bars, each from `base` to `base + height`.

    Args:
        name: What they are.
        x: Centres.
        widths: In units of the horizontal axis.
        heights: Of the bars; may be negative.
        bases: Where they stand; empty for zero.
        color: A role.
        opacity: 0 to 1.
        legend: Whether the legend has them.
    """

    name: str
    x: Sequence[float]
    widths: Sequence[float]
    heights: Sequence[float]
    bases: Sequence[float] = ()
    color: str = "ink"
    opacity: float = 0.6
    legend: bool = True


@dataclass(frozen=True, kw_only=True)
class Band:
    """The area between two curves."""

    name: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    color: str = "ink"
    opacity: float = 0.18
    legend: bool = True


Mark = Line | Bars | Band


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Args:
        marks: What is drawn, the first at the back.
        y: The vertical axis.
        share: Height against that of the other panels.
    """

    marks: Sequence[Mark]
    y: Axis
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Panels over one another.

    Args:
        panels: From top to bottom.
        x: The axis they share.
        height: In CSS pixels.
        legend: Whether to say which mark is what.
    """

    panels: Sequence[Panel]
    x: Axis
    height: int = 360
    legend: bool = True


def legend_of(chart: Chart) -> list[Mark]:
    """The marks that the legend shows, one a name, in the order drawn."""
    named: dict[str, Mark] = {}
    for panel in chart.panels:
        for mark in panel.marks:
            if mark.legend:
                named.setdefault(mark.name, mark)
    return list(named.values()) if chart.legend else []
