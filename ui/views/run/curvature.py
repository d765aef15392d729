"""The panels of an optimizer that keeps curvature: what is refreshed, at what cost."""

from collections.abc import Sequence

from ui.components.figure import PERCENT, axis, line
from ui.components.formats import compact, percent
from ui.components.series import Row, column, last, thinned
from ui.views.run.curves import LOW, Curve, panel_of


def curvature_curves(rows: Sequence[Row]) -> list[Curve]:
    """The panels that the rows have something for: none of other optimizers."""
    return [
        curve
        for curve in (refreshed_curve(rows), inverse_curve(rows), damping_curve(rows))
        if curve.drawn
    ]


def refreshed_curve(rows: Sequence[Row]) -> Curve:
    """Share of the statistics that a step refreshes."""
    steps, values = column(rows, "step", "refreshed_share")
    trace = line("Refreshed", *thinned(steps, values), "@5", hovertemplate="%{y:.2%}")
    alt = f"Share of the statistics refreshed by step, now {percent(last(values))}."
    note = "Of all statistics, the mean over the steps between two log lines."
    y = axis(tickformat=PERCENT, rangemode="tozero")
    return panel_of("refreshed", "Refreshed statistics", note, alt, [trace], y, LOW)


def inverse_curve(rows: Sequence[Row]) -> Curve:
    """Time that a step spends on inverses."""
    steps, seconds = column(rows, "step", "inverse_seconds")
    values = [None if value is None else 1000 * value for value in seconds]
    trace = line("Inverses", *thinned(steps, values), "@6", hovertemplate="%{y:.3g} ms")
    alt = f"Time of the inverses a step, now {compact(last(values))} milliseconds."
    note = "Milliseconds a step, the same mean; on this process alone."
    y = axis(rangemode="tozero")
    return panel_of("inverses", "Time for inverses", note, alt, [trace], y, LOW)


def damping_curve(rows: Sequence[Row]) -> Curve:
    """What is added to the curvature."""
    steps, values = column(rows, "step", "damping")
    trace = line("Damping", *thinned(steps, values), "@7", hovertemplate="%{y:.4g}")
    alt = f"Damping by step, now {compact(last(values))}."
    note = "What is added to the curvature before it is inverted."
    y = axis(rangemode="tozero", exponentformat="power")
    return panel_of("damping", "Damping", note, alt, [trace], y, LOW)
