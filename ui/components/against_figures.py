"""Results against a setting as figures: a line over its values, a band over seeds."""

from collections.abc import Sequence
from typing import Any

from calibration import SeedSummary
from calibration.report import written
from trainers.against import Line, Place
from trainers.studies import Study
from trainers.study_findings import best_place, reference_of
from trainers.study_picture import is_log
from ui.components.figure import MUTED, PERCENT, Figure, axis, figure
from ui.components.figure import line as stroke
from ui.components.forms import setting_title
from ui.components.key import Mark
from ui.components.labels import label

MOST = 8  # lines: more cannot be told apart
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down")
_BAND = 0.16  # opacity
HEIGHT = 300

Trace = dict[str, Any]


def against_figure(
    lines: Sequence[Line],
    setting: str,
    measure: str,
    study: Study | None = None,
    *,
    at_mean: bool = False,
) -> Figure:
    """Draw a measure of all lines against a setting.

    Args:
        lines: As `trainers.against.lines` gives them; the first `MOST` are drawn.
        setting: Its flag name.
        measure: Of `calibration.MEASURES`.
        study: The study of that setting, whose reference is marked; None for none.
        at_mean: Whether the numbers at the posterior mean are drawn beside.

    Returns:
        The figure.
    """
    drawn = lines[:MOST]
    values = values_of(drawn)
    traces: list[Trace] = []
    for number, each in enumerate(drawn):
        traces += _traces(each, measure, number, (values[0], values[-1]))
        if at_mean:
            traces += _at_mean(each, measure, number)
    x = axis(
        setting_title(setting), tickvals=values,
        ticktext=[f"{value:.4g}" for value in values],
        **({"type": "log"} if is_log(values) else {}),
    )  # fmt: skip
    form = {"tickformat": PERCENT} if written.is_percent(measure) else {}
    return figure(
        traces, x=x, y=axis(**form), height=HEIGHT, hovermode="closest",
        showlegend=False, shapes=_references(drawn, study),
    )  # fmt: skip


def values_of(lines: Sequence[Line]) -> list[float]:
    """All values of the setting, the smallest first."""
    found = {p.value for each in lines for p in each.places if p.value is not None}
    return sorted(found)


def key_of(lines: Sequence[Line]) -> list[Mark]:
    """How each line is drawn."""
    return [
        Mark(name=each.name, color=color(number), dash="dash")
        if each.is_level
        else Mark(
            name=each.name, color=color(number), dash=_DASHES[number % len(_DASHES)],
            symbol=_SYMBOLS[number % len(_SYMBOLS)],
        )
        for number, each in enumerate(lines[:MOST])
    ]  # fmt: skip


def color(number: int) -> str:
    """A role of `ui.components.figure`."""
    return f"@{number % MOST + 1}"


def told(lines: Sequence[Line], setting: str, measure: str) -> str:
    """Say in a sentence what a figure shows."""
    parts = []
    for each in lines[:MOST]:
        found = [(p, s) for p in each.places if (s := p.over_seeds(measure))]
        if not found:
            continue
        if each.is_level:
            parts.append(f"{each.name} {_written(measure, found[0][1])} throughout")
            continue
        best = best_place(each, measure)
        ends = [
            f"{_written(measure, s)} at {p.value:.4g}" for p, s in (found[0], found[-1])
        ]
        at = f", best at {best.value:.4g}" if best and best.value is not None else ""
        parts.append(f"{each.name} from {' to '.join(ends)}{at}")
    title = f"{written.title(measure)} against {setting_title(setting)}"
    return f"{title}: {'; '.join(parts)}."


def _written(measure: str, found: SeedSummary) -> str:
    return written.value(measure, found.mean)


def _traces(
    line: Line, measure: str, number: int, ends: tuple[float, float]
) -> list[Trace]:
    found = [(p, s) for p in line.places if (s := p.over_seeds(measure))]
    if not found:
        return []
    if line.is_level:
        return _level(line, measure, number, ends, found[0][1])
    x = [place.value for place, _ in found if place.value is not None]
    trace = stroke(
        label(line.name), x, [s.mean for _, s in found], color(number), markers=True,
        showlegend=False, text=[_hover(measure, s) for _, s in found],
        hovertemplate="%{x:.4~g}: %{text}<extra>%{fullData.name}</extra>",
    )  # fmt: skip
    trace["line"]["dash"] = _DASHES[number % len(_DASHES)]
    trace["marker"]["symbol"] = _SYMBOLS[number % len(_SYMBOLS)]
    several = [(place, s) for place, s in found if s.deviation is not None]
    band = [_band([p.value for p, _ in several], [s for _, s in several], number)]
    return [*(band if several else []), trace, *_best(line, measure, found)]


def _level(
    line: Line,
    measure: str,
    number: int,
    ends: tuple[float, float],
    found: SeedSummary,
) -> list[Trace]:
    trace = stroke(
        label(line.name), [*ends], [found.mean] * 2, color(number), showlegend=False,
        text=[_hover(measure, found)] * 2,
        hovertemplate="%{text}<extra>%{fullData.name}</extra>",
    )  # fmt: skip
    trace["line"]["dash"] = "dash"
    if found.deviation is None:
        return [trace]
    return [_band([*ends], [found, found], number), trace]


def _band(
    x: Sequence[float | None], found: Sequence[SeedSummary], number: int
) -> Trace:
    high = [each.mean + (each.deviation or 0.0) for each in found]
    low = [each.mean - (each.deviation or 0.0) for each in found]
    return {
        "type": "scatter", "mode": "lines", "fill": "toself", "hoverinfo": "skip",
        "x": [*x, *reversed(x)], "y": [*high, *reversed(low)], "line": {"width": 0},
        "fillcolor": f"{color(number)}/{_BAND}", "showlegend": False,
    }  # fmt: skip


def _best(
    line: Line, measure: str, found: Sequence[tuple[Place, SeedSummary]]
) -> list[Trace]:
    best = best_place(line, measure)
    if len(found) < 2 or best is None:
        return []
    y = next(summary.mean for place, summary in found if place is best)
    return [{
        "type": "scatter", "mode": "markers", "x": [best.value], "y": [y],
        "name": "best mean", "showlegend": False, "hoverinfo": "skip",
        "marker": {"symbol": "circle-open", "size": 14, "color": "@text",
                   "line": {"width": 1.5}},
    }]  # fmt: skip


def _at_mean(line: Line, measure: str, number: int) -> list[Trace]:
    found = [
        (place.value, summary.mean)
        for place in line.places
        if place.value is not None
        and (summary := place.over_seeds(measure, at_mean=True))
    ]
    if not found:
        return []
    trace = stroke(
        f"{label(line.name)} at the mean", [x for x, _ in found],
        [y for _, y in found], f"{color(number)}/0.75", width=1.5, showlegend=False,
        hovertemplate="%{x:.4~g}: %{y:.4~g}<extra>%{fullData.name}</extra>",
    )  # fmt: skip
    trace["line"]["dash"] = "dot"
    return [trace]


def _references(lines: Sequence[Line], study: Study | None) -> list[Trace]:
    """Upright lines where the study's reference is."""
    if study is None:
        return []
    values = {reference_of(study, line) for line in lines} - {None}
    return [
        {
            "type": "line", "x0": value, "x1": value, "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": MUTED, "width": 1, "dash": "dash"},
        }
        for value in values
    ]  # fmt: skip


def _hover(measure: str, found: SeedSummary) -> str:
    if found.deviation is None:
        return f"{written.value(measure, found.mean)}, n = {found.count}"
    return f"{written.spread(measure, found.mean, found.deviation)}, n = {found.count}"
