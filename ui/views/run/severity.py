"""How a network holds up as its inputs get worse: curves, and a map of kinds."""

from collections.abc import Iterable, Sequence
from typing import Any

from calibration.report import written
from calibration.shift import APART, CLEAN, ShiftRow, averaged_kinds, shift_summary
from data.corruptions import CORRUPTIONS
from ui.components.figure import IN_COLOR, PERCENT, Figure, axis, figure, line
from ui.components.formats import words

MEASURED = {"accuracy": "Accuracy", "nll": "NLL, nats", "ece": "ECE"}
HEIGHT = 300
_ROW = 26  # pixels of a kind in the map


def severity_figure(rows: Sequence[ShiftRow], name: str) -> Figure:
    """Draw a measure against severity.

    Args:
        rows: From `calibration.shift_table`.
        name: Key of `MEASURED`.

    Returns:
        The mean over kinds with a band from the smallest to the largest; kinds that no
        mean holds apart, and the single kinds thinly.
    """
    summary = shift_summary(rows)
    places = [row.severity for row in summary]
    spreads = [getattr(row, name) for row in summary]
    low, high = [s.smallest for s in spreads], [s.largest for s in spreads]
    edge = line("Least", places, low, IN_COLOR, width=0, hoverinfo="skip")
    band = line("Least to most", places, high, IN_COLOR, width=0, hoverinfo="skip")
    band |= {"fill": "tonexty", "fillcolor": f"{IN_COLOR}/0.14"}
    mean = line(
        "Mean over kinds", places, [s.mean for s in spreads], IN_COLOR, markers=True,
        width=2.5, hovertemplate=f"Severity %{{x}}: {_shown(name)}<extra></extra>",
    )  # fmt: skip
    kinds = averaged_kinds(row.kind for row in rows)
    thin = [_kind(rows, kind, name) for kind in kinds if len(kinds) > 1]
    apart = [
        _kind(rows, kind, name, apart=True)
        for kind in dict.fromkeys(row.kind for row in rows)
        if kind in APART and kind not in kinds
    ]
    built = figure(
        [{**edge, "showlegend": False}, band, *thin, *apart, mean],
        x=axis("Severity, 0 as they are", dtick=1, range=[-0.15, 5.15]),
        y=axis(MEASURED[name], **_ticks(name), rangemode="tozero"),
        height=HEIGHT,
    )
    built["layout"]["legend"]["traceorder"] = "normal"  # fills would turn it round
    return built


def severity_alt(rows: Sequence[ShiftRow], name: str) -> str:
    """Say in a sentence what the curve shows."""
    summary = shift_summary(rows)
    first, last = summary[0], summary[-1]
    start, end = (written.value(name, getattr(row, name).mean) for row in (first, last))
    return (
        f"{MEASURED[name]} against severity: {start} at {first.severity}, on average "
        f"{end} at {last.severity}."
    )


def kinds_figure(rows: Sequence[ShiftRow], name: str) -> Figure:
    """Draw a measure for each kind and severity as a map, stronger where it is worse.

    Args:
        rows: From `calibration.shift_table`.
        name: Key of `MEASURED`.
    """
    values = {(row.kind, row.severity): getattr(row, name) for row in rows}
    # Plotly draws upwards: the first kind is to stand at the top.
    kinds = [kind for kind in dict.fromkeys(k for k, _ in values) if kind != CLEAN]
    kinds.reverse()
    levels = sorted({severity for _, severity in values if severity})
    grid = [[values.get((kind, level)) for level in levels] for kind in kinds]
    heat = {
        "type": "heatmap", "x": levels, "y": [words(kind) for kind in kinds],
        "z": [[None if e is None else float(e) for e in row] for row in grid],
        "text": [[_written(name, e) for e in row] for row in grid],
        "customdata": [[_told(kind, name, e) for e in row]
                       for kind, row in zip(kinds, grid, strict=True)],
        "texttemplate": "%{text}", "textfont": {"size": 11, "color": "@text"},
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorscale": "@sequential", "reversescale": name == "accuracy",
        "showscale": False, **_half(values.values(), name),
        "xgap": 2, "ygap": 2, "hoverongaps": False,
    }  # fmt: skip
    return figure(
        [heat],
        x=axis("Severity", dtick=1, showgrid=False),
        y=axis(showgrid=False),
        height=70 + _ROW * len(kinds),
    )


def _half(values: Iterable[Any], name: str) -> dict[str, float]:
    """Colours from one half of the scale, on all of which text can be read."""
    found = [float(each) for each in values]
    low, high = min(found), max(found)
    if name == "accuracy":  # the least is the worst, and the strongest
        return {"zmin": 2 * low - high, "zmax": high}
    return {"zmin": low, "zmax": 2 * high - low}


def _kind(
    rows: Sequence[ShiftRow], kind: str, name: str, *, apart: bool = False
) -> dict[str, Any]:
    found = [row for row in rows if row.kind in (CLEAN, kind)]
    found = sorted(found, key=lambda row: row.severity)
    title = words(kind)
    drawn = line(
        title, [row.severity for row in found],
        [float(getattr(row, name)) for row in found],
        "@2" if apart else f"{IN_COLOR}/0.3", width=2 if apart else 1,
        hovertemplate=f"{title}, severity %{{x}}: {_shown(name)}<extra></extra>",
    )  # fmt: skip
    if apart:
        drawn["line"]["dash"] = "dash"
    else:
        drawn["showlegend"] = False
    return drawn


def _written(name: str, value: Any) -> str:
    return "" if value is None else written.value(name, value)


def _ticks(name: str) -> dict[str, Any]:
    return {"tickformat": PERCENT} if written.is_percent(name) else {}


def _shown(name: str) -> str:
    return "%{y:.1%}" if written.is_percent(name) else "%{y:.3f}"


def _told(kind: str, name: str, value: Any) -> str:
    about = CORRUPTIONS[kind].description if kind in CORRUPTIONS else ""
    head = f"{words(kind)}: {about}" if about else words(kind)
    if value is None:
        return head
    return (
        f"{head}<br>{MEASURED[name]} {written.value(name, value)} (95 % interval "
        f"{written.interval(name, value)})"
    )
