"""The page of all runs: find, open, compare, annotate, stop, resume, clone, delete."""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from trainers.runs import list_runs
from trainers.status import ALIVE
from ui.components import engine, navigation, reading, waiting
from ui.components.engine import told, trouble
from ui.components.guarded import fragment
from ui.components.notify import notify
from ui.components.reading import Seen, Summary
from ui.views.runs import lists, switches
from ui.views.runs.filters import filters, states
from ui.views.runs.groups import groups

REFRESH = 3.0  # seconds between two looks while a run is alive or queued
HURRY = 1.0  # seconds between two looks while results are still being read
PATIENCE = 0.3  # seconds of a look that go to results that nobody has read yet
_LATE = "runs_late"  # whether curves of the table are still to be read


def render() -> None:
    """Show the table, refreshed by itself as long as something will change."""
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
    pace = _pace(views, st.session_state.get(_LATE, False))
    look = reading.once_given((views, problem), _look)
    fragment("The list", _page, pace)(look, pace)


def _look() -> Seen:
    return reading.summaries(list_runs(), PATIENCE)


def _pace(views: Sequence[Summary], late: bool) -> float | None:
    """Seconds to the next look, None where nothing changes by itself."""
    if late or any(view.pending for view in views):
        return HURRY
    return REFRESH if any(view.state in ALIVE for view in views) else None


def _page(look: Callable[[], Seen], pace: float | None) -> None:
    views, problem = look()
    with st.container(
        horizontal=True, vertical_alignment="center",
        horizontal_alignment="distribute",
    ):  # fmt: skip
        heading = st.container(
            horizontal=True, vertical_alignment="bottom", width="content"
        )
        notify(views)
    trouble(problem)
    with told():
        queue = None if problem else engine.queue()
        if queue is not None:
            waiting.overview(queue, views)
    late = _list(views, heading)
    st.session_state[_LATE] = late
    if pace != _pace(views, late):
        st.rerun()  # the whole page, which then refreshes at another pace


def _list(views: Sequence[Summary], heading: DeltaGenerator) -> bool:
    """Show the runs or their groups; whether some of it is still to be read."""
    grouped = switches.grouped()
    kept = filters(views, grouped)
    with st.container(
        horizontal=True, vertical_alignment="center",
        horizontal_alignment="distribute",
    ):  # fmt: skip
        kept = states(kept)
        tools = st.container(
            horizontal=True, vertical_alignment="center", width="content"
        )
    with heading:
        st.markdown("## Runs", width="content")
        st.caption(lists.counts(kept, views), width="content")
    with tools:
        switches.offer_groups(views)
    if grouped:
        return lists.by_group(groups(kept), views, tools)
    return lists.runs(kept, views, tools)
