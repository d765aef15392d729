"""Differences to the baseline: a chart, a table, and words for what they mean."""

from collections.abc import Mapping, Sequence

import streamlit as st

from calibration.report import written
from calibration.report.document import Cell
from ui.components.figure import MUTED, PERCENT, Figure, axis, figure
from ui.components.formats import plain
from ui.components.plot import panel
from ui.views.compare import table
from ui.views.compare.comparison import Comparison, name_of
from ui.views.compare.differences import (
    BETTER,
    HEADLINE,
    MEANS,
    PAIRED,
    SEEDWISE,
    UNCLEAR,
    WORSE,
    Compared,
    against,
)
from ui.views.compare.strokes import label

_BADGES = {
    BETTER: ":green-badge[:material/trending_up: clearly better]",
    WORSE: ":red-badge[:material/trending_down: clearly worse]",
    UNCLEAR: ":gray-badge[:material/trending_flat: no clear difference]",
}
_METHODS = {
    PAIRED: "**By example**: both judged the same test examples, so the difference is "
    "taken example by example (Student's interval; a paired bootstrap for ECE). It "
    "leaves out the luck of training: another seed gives another run.",
    SEEDWISE: "**By seed**: both were trained with the same seeds, so the difference "
    "is taken seed by seed; Student's interval of its mean.",
    MEANS: "**Of means**: the mean over the seeds of one less that of the other, with "
    "Welch's interval; where one side is a single run, Student's for two groups, "
    "which takes the deviation of the seeds for that of the run as well.",
}
_MINUS = str.maketrans({"-": "\N{MINUS SIGN}"})
_LONG = 14  # characters of a name, beyond which two charts in a row are enough
_MANY = 10  # intervals, of which one may miss by chance


def differences(comparison: Comparison) -> None:
    """Show how each entry differs from the baseline, or say why it cannot be told."""
    if not comparison.others:
        st.info(
            "Choose a second run above to see differences and their intervals.",
            icon=":material/add:",
        )
        return
    baseline = comparison.baseline
    rows, refused = against(baseline, comparison.others)
    with st.container(
        horizontal=True, vertical_alignment="center",
        horizontal_alignment="distribute",
    ):  # fmt: skip
        st.markdown(f"### Difference to {plain(baseline.name)}", width="content")
        if rows:
            st.download_button(
                "CSV", table.differences_csv(baseline, rows),
                file_name="differences.csv", mime="text/csv", on_click="ignore",
                icon=":material/download:", key="compare_csv_differences",
                help="All differences with their intervals.",
            )  # fmt: skip
    if rows:
        _forest(comparison, rows)
        _verdicts(rows)
        _methods(rows)
    _refusals(baseline.name, refused)


def _refusals(baseline: str, refused: Mapping[str, str]) -> None:
    for name, reason in refused.items():
        st.caption(
            f":material/info: **{plain(name)}** cannot be compared with "
            f"**{plain(baseline)}**: {plain(reason)}."
        )


def _methods(rows: Sequence[Compared]) -> None:
    used = {row.method for row in rows}
    told = [text for method, text in _METHODS.items() if method in used]
    if len(rows) >= _MANY:
        told.append(
            f"Of {len(rows)} intervals of 95 %, about {max(1, round(len(rows) / 20))} "
            "would leave out zero by chance alone."
        )
    st.caption("  \n".join(told))


def _verdicts(rows: Sequence[Compared]) -> None:
    changes = [_change(row) for row in rows]
    st.table(
        {
            "Measure": [_first_of(rows, place) for place in range(len(rows))],
            "Entry": [name_of(row.entry) for row in rows],
            "Difference (95 % interval)": [
                table.with_interval(each.text, each.detail) for each in changes
            ],
            "Verdict": [_BADGES[row.verdict] for row in rows],
            "What speaks for it": [row.support for row in rows],
        },
        border="horizontal", hide_index=True,
        alt="Differences to the baseline with their intervals and verdicts",
    )  # fmt: skip


def _change(row: Compared) -> Cell:
    """The difference in words, with the minus sign that is as wide as a plus."""
    told = written.change(row.measure, row.difference)
    return Cell(text=told.text.translate(_MINUS), detail=told.detail.translate(_MINUS))


def _first_of(rows: Sequence[Compared], place: int) -> str:
    """The measure's name in the first of its rows."""
    name = rows[place].measure
    if place and rows[place - 1].measure == name:
        return ""
    return table.title((name, ""))


def _forest(comparison: Comparison, rows: Sequence[Compared]) -> None:
    names = [name for name in HEADLINE if any(row.measure == name for row in rows)]
    longest = max(len(entry.name) for entry in comparison.others)
    size = 2 if longest > _LONG else len(names)
    with st.container(key="compare_forest"):  # narrower in `ui/style.css`
        rows_of_places = [st.columns(size) for _ in range(0, len(names), size)]
    places = [place for each in rows_of_places for place in each]
    for place, name in zip(places, names, strict=False):
        own = [row for row in rows if row.measure == name]
        with place:
            panel(
                f"{written.short(name)} less that of the baseline",
                forest(name, own),
                key=f"compare-forest-{name}",
                alt=forest_alt(name, own),
                note=written.arrow(name),
                revision=comparison.revision,
            )


def forest(name: str, rows: Sequence[Compared]) -> Figure:
    """Differences of a measure with their intervals, about the line of no difference.

    Args:
        name: The measure.
        rows: One an entry.
    """
    zero = {
        "type": "scatter", "mode": "lines", "x": [0, 0], "y": [-0.6, len(rows) - 0.4],
        "hoverinfo": "skip", "showlegend": False,
        "line": {"color": MUTED, "width": 1.2, "dash": "dot"},
    }  # fmt: skip
    traces = [zero] + [_whisker(row, k) for k, row in enumerate(rows)]
    x = {"tickformat": PERCENT} if written.is_percent(name) else {}
    y = axis(
        tickvals=list(range(len(rows))), ticktext=[label(row.entry) for row in rows],
        range=[len(rows) - 0.4, -0.6], showgrid=False, fixedrange=True,
    )  # fmt: skip
    return figure(
        traces, x=axis(nticks=3, tickangle=0, **x), y=y, height=70 + 34 * len(rows),
        showlegend=False, hovermode="closest",
    )  # fmt: skip


def _whisker(row: Compared, place: int) -> dict[str, object]:
    difference = row.difference
    told = _change(row)
    ends = {
        "error_x": {
            "type": "data", "symmetric": False, "thickness": 2, "width": 5,
            "color": row.entry.color,
            "array": [difference.high - float(difference)],
            "arrayminus": [float(difference) - difference.low],
        },
    }  # fmt: skip
    return {
        "type": "scatter", "mode": "markers", "name": label(row.entry),
        "x": [float(difference)], "y": [place], "showlegend": False,
        "marker": {"color": row.entry.color, "size": 9, "symbol": row.entry.symbol},
        "hovertemplate": f"{told.text} {told.detail}<br>{row.verdict}",
        **(ends if row.has_interval else {}),
    }  # fmt: skip


def forest_alt(name: str, rows: Sequence[Compared]) -> str:
    """Say what the chart shows."""
    told = [
        f"{row.entry.name} {change.text} {change.detail}, {row.verdict}"
        for row in rows
        for change in [_change(row)]
    ]
    return f"{written.title(name)} less that of the baseline: {'; '.join(told)}."
