"""The page of all runs: see, open, stop, resume, clone, delete, arrange."""

import hashlib
from collections.abc import Callable, Sequence

import streamlit as st

from trainers.runs import list_runs
from trainers.status import ALIVE
from ui.components import engine, navigation, reading, waiting
from ui.components.engine import told, trouble
from ui.components.formats import counted
from ui.components.notify import notify
from ui.components.reading import Seen, Summary
from ui.views.runs.actions import actions
from ui.views.runs.filters import filters
from ui.views.runs.table import columns, rows, shown

REFRESH = 3.0  # seconds between two looks while a run is alive or queued
ROW = 38  # pixels
HIGHEST = 760  # pixels of the table


def render() -> None:
    """Show the table, refreshed by itself as long as a run is alive or queued."""
    views, problem = _look()
    if not views:
        st.markdown("## Runs")
        navigation.empty_state(
            "No runs yet",
            "Train a network on handwritten digits in under a minute: nothing to "
            "download, nothing to set.",
            icon=":material/list:",
        )
        return
    alive = any(view.state in ALIVE for view in views)
    look = reading.once_given((views, problem), _look)
    st.fragment(_page, run_every=REFRESH if alive else None)(look, alive)


def _look() -> Seen:
    return reading.summaries(list_runs())


def _page(look: Callable[[], Seen], was_alive: bool) -> None:
    views, problem = look()
    if was_alive and not any(view.state in ALIVE for view in views):
        st.rerun()  # the whole page, which then stops refreshing
    with st.container(
        horizontal=True, vertical_alignment="center",
        horizontal_alignment="distribute",
    ):  # fmt: skip
        st.markdown("## Runs", width="content")
        notify(views)
    trouble(problem)
    with told():
        queue = None if problem else engine.queue()
        if queue is not None:
            waiting.overview(queue, views)
    _table(filters(views), len(views))


def _table(views: Sequence[Summary], number: int) -> None:
    # Keyed by the runs shown: rows are numbers, and when a run comes or goes a
    # selection of row 2 must not come to mean another run.
    ids = "/".join(view.run.id for view in views)
    key = f"runs-{hashlib.sha256(ids.encode()).hexdigest()[:12]}"
    toolbar = st.container(horizontal=True, vertical_alignment="center")
    in_group = navigation.GROUP in st.query_params
    lines = rows(views, compared=in_group)
    selection = st.dataframe(
        lines,
        column_order=shown(lines, but=["Group"] if in_group else []),
        column_config=columns(lines, f"{key}-open"),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        row_height=ROW,
        height=min(HIGHEST, ROW + ROW * max(1, len(views))),
        placeholder="",
        alt="Runs, newest first",
    )
    clicked = st.session_state.get(f"{key}-open")
    if clicked is not None and clicked["row"] < len(views):
        navigation.open_run(views[clicked["row"]].run)
    chosen = [views[k] for k in selection["selection"]["rows"] if k < len(views)]
    with toolbar:
        with told():
            actions(chosen)
        st.caption(_words(views, number, len(chosen)))


def _words(views: Sequence[Summary], number: int, chosen: int) -> str:
    alive = sum(view.state in ALIVE for view in views)
    some_of = f"{len(views)} of " if len(views) < number else ""
    what = f"{chosen} selected" if chosen else "Select a row to act on it"
    return f"{some_of}{counted(number, 'run')}, {alive} alive · {what}"
