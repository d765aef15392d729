"""The tab of learning curves, which move as long as the run is alive."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from trainers.runs import Run
from trainers.status import ALIVE, QUEUED
from ui.components import reading
from ui.components.axes import KINDS, STEP, Axes, longest_of
from ui.components.csv_file import as_csv
from ui.components.formats import count
from ui.components.guarded import fragment
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.components.series import SMOOTHED_SHARE, Row, unbroken, value
from ui.views.run.curvature import curvature_curves
from ui.views.run.curves import Curve, curves
from ui.views.run.other_curves import MOST, other_curves, other_keys

REFRESH = 2.0  # seconds between two looks at a live run, at least
_ROWS_A_SECOND = 5000  # that are drawn anew, so that a long run leaves the server free
# Keys of the choices, which are names in the address too.
KIND, SMOOTHING = "curves_x", "curves_mean"
LOG_X, LOG_Y = "curves_log_x", "curves_log_y"
_MOST_SMOOTHED = 20  # percent of a line's values
_FIRST = ("kind", "step", "epoch", "seconds")  # columns of the table to download
_COLUMNS = 3


def render(view: Summary) -> None:
    """Show the curves."""
    pace = pace_of(len(reading.metrics(view.run))) if view.state in ALIVE else None
    fragment("The curves", _live, pace)(view)


def pace_of(num_rows: int) -> float:
    """Seconds between two looks: many rows take a while to draw, and move little."""
    return max(REFRESH, num_rows / _ROWS_A_SECOND)


def _live(view: Summary) -> None:
    rows = unbroken(reading.metrics(view.run))
    if not rows:
        st.caption(_nothing_drawn(view.state))
        return
    axes = _axes(view.run, rows)
    revision = f"{view.run.id} {axes.revision}"
    main = curves(rows, axes)
    if not main:
        st.caption(_nothing_drawn(view.state))
    _grid(main[:2], revision)
    _grid(main[2:], revision)
    _titled("Curvature", curvature_curves(rows, axes), revision)
    _titled("Other logged values", other_curves(rows, axes), revision)
    if len(other_keys(rows)) > MOST:
        st.caption(f"The first {MOST} are drawn; all are in the table to download.")


def _nothing_drawn(state: str) -> str:
    if state == QUEUED:
        return "The curves appear here by themselves once it trains."
    if state in ALIVE:
        return "Waiting for the first logged steps…"
    return "Nothing logged."


def _axes(run: Run, rows: Sequence[Row]) -> Axes:
    """Show what the curves can be drawn against, and return what was chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = st.segmented_control(
            "Horizontal axis", KINDS, default=STEP, key=KIND, bind="query-params",
            required=True,
            help="Time is that of training: a stopped run that is resumed goes on "
            "where it was.",
        )  # fmt: skip
        smoothing = st.slider(
            "Smoothing", 0, _MOST_SMOOTHED, round(100 * SMOOTHED_SHARE),
            key=SMOOTHING, bind="query-params", format="%d %%", width=170,
            help="The bold line is an exponential mean over about this share of the "
            "values, the faint one beneath it is what was logged. Values by epoch, and "
            "what has no noise, such as the learning rate, are not smoothed.",
        )  # fmt: skip
        log_x = st.toggle("Log x", key=LOG_X, bind="query-params")
        log_y = st.toggle("Log y", key=LOG_Y, bind="query-params")
        st.space("stretch")
        st.download_button(
            "CSV", partial(table, rows), file_name=f"{run.id}-metrics.csv",
            mime="text/csv", icon=":material/download:", on_click="ignore",
            key="curves_csv", help=f"All {count(len(rows))} logged rows.",
        )  # fmt: skip
    chosen = kind if kind in KINDS else STEP
    return Axes(chosen, bool(log_x), bool(log_y), smoothing / 100, longest_of(rows))


def table(rows: Sequence[Row]) -> bytes:
    """All logged numbers as CSV, a row each; what is no number is left out.

    Args:
        rows: Rows of metrics.jsonl.

    Returns:
        The table, with an empty cell for what a row does not have.
    """
    keys = {key for row in rows for key, each in row.items() if value(each) is not None}
    names = [*_FIRST, *sorted(keys - set(_FIRST))]
    return as_csv(names, ([_kind(row), *_numbers(row, names[1:])] for row in rows))


def _kind(row: Row) -> str | None:
    kind = row.get("kind")
    return kind if isinstance(kind, str) else None


def _numbers(row: Row, names: Sequence[str]) -> list[float | None]:
    return [row[key] if value(row.get(key)) is not None else None for key in names]


def _titled(title: str, drawn: Sequence[Curve], revision: str) -> None:
    if drawn:
        st.markdown(f"### {title}")
        _grid(drawn, revision)


def _grid(drawn: Sequence[Curve], revision: str) -> None:
    """Panels in rows of up to three, none of which has an empty place."""
    num_rows = -(-len(drawn) // _COLUMNS)
    start = 0
    for i in range(num_rows):
        size = -(-(len(drawn) - start) // (num_rows - i))
        _row(drawn[start : start + size], revision)
        start += size


def _row(drawn: Sequence[Curve], revision: str) -> None:
    for place, curve in zip(st.columns(len(drawn)), drawn, strict=True):
        with place:
            panel(curve.title, curve.figure, key=f"curve-{curve.key}",
                  alt=curve.alt, note=curve.note, revision=revision)  # fmt: skip
