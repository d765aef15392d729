"""The tables of the page, and what a click in them does."""

import hashlib
import time
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from trainers.runs import Run
from trainers.status import ALIVE
from trainers.sweep import differing
from ui.components import navigation
from ui.components.against import SETTING, against, axes_among
from ui.components.engine import told
from ui.components.formats import count, counted, plain
from ui.components.guarded import guarded
from ui.components.navigation import GROUP
from ui.components.reading import Summary
from ui.components.sparkline import sparkline
from ui.views.runs import address, groups, switches, table
from ui.views.runs.actions import actions
from ui.views.runs.columns import catalogue
from ui.views.runs.groups import Group

ROW = 38  # pixels
HIGHEST = 760  # pixels of a table
BUTTON = 40  # pixels
PICTURE = "group-picture"  # key of what holds it; whether it is open
PATIENCE = 0.3  # seconds of a look that go to curves that nobody has read yet


class Courses:
    """Reads curves until its time is up, then only what was read before.

    Attributes:
        pending: Whether a curve is missing for want of time.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._end = time.monotonic() + patience
        self.pending = False

    def __call__(self, run: Run) -> list[float] | None:
        """The curve of a run, None if there was no time for it."""
        values = sparkline(run, read=time.monotonic() < self._end)
        self.pending = self.pending or values is None
        return values


def runs(
    views: Sequence[Summary], everything: Sequence[Summary], tools: DeltaGenerator
) -> bool:
    """Show runs, and what can be done with those that are selected.

    Args:
        views: The runs that passed the filters.
        everything: All runs.
        tools: Where columns are chosen and files are offered.

    Returns:
        Whether curves are missing that a later look will read.
    """
    # Keyed by the runs shown: rows are numbers, and when a run comes or goes a
    # selection of row 2 must not come to mean another run.
    ids = "/".join(view.run.id for view in views)
    key = f"runs-{hashlib.sha256(ids.encode()).hexdigest()[:12]}"
    toolbar = st.container()
    in_group = address.value(GROUP) is not None
    configs = [view.config for view in views if view.config is not None]
    axes = differing(configs) if in_group else []
    courses = Courses()
    known = catalogue(everything, axes, courses)
    but = ["group"] if in_group else []
    columns = table.chosen(known, switches.wanted(), views, but)
    selection = st.dataframe(
        table.arrow(views, columns),
        column_config=table.drawn(views, columns, f"{key}-open"),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        row_height=ROW,
        height=_height(len(views)),
        placeholder="",
        alt=f"{counted(len(views), 'run')}, newest first",
    )
    clicked = st.session_state.get(f"{key}-open")
    if clicked is not None and clicked["row"] < len(views):
        navigation.open_run(views[clicked["row"]].run)
    chosen = [views[k] for k in selection["selection"]["rows"] if k < len(views)]
    with toolbar:
        _act_on(chosen)
    with tools:
        if in_group and views:
            _compare_button(views[0].group)
        switches.choose_columns(known, columns)
        switches.download(views, everything, axes)
    return courses.pending


def _act_on(chosen: Sequence[Summary]) -> None:
    """Buttons for the selected runs; before there are any, a line of their height."""
    # The table must not move under the pointer.
    with st.container(
        horizontal=True, vertical_alignment="center", border=False,
        height="content" if chosen else BUTTON,
    ):  # fmt: skip
        if not chosen:
            st.caption("Select rows to act on them")
            return
        with told():
            actions(chosen)
        st.caption(f"{count(len(chosen))} selected")


def by_group(
    found: Sequence[Group], everything: Sequence[Summary], tools: DeltaGenerator
) -> bool:
    """Show groups, and below them the runs of the one that is open.

    Args:
        found: The groups of the runs that passed the filters.
        everything: All runs.
        tools: Where columns are chosen and files are offered.

    Returns:
        Whether curves are missing that a later look will read.
    """
    opened = address.value(GROUP)
    names = "/".join(group.name for group in found)
    key = f"groups-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
    st.dataframe(
        groups.arrow(found, opened),
        column_config=groups.drawn(f"{key}-open", f"{key}-compare"),
        hide_index=True,
        key=key,
        row_height=ROW,
        height=_height(len(found)),
        placeholder="",
        alt=f"{counted(len(found), 'group')} of runs, latest first",
    )
    clicked = _clicked(f"{key}-open", found)
    if clicked is not None:
        address.put(GROUP, None if clicked.name == opened else clicked.name)
        st.rerun()
    compared = _clicked(f"{key}-compare", found)
    if compared is not None:
        _compare(compared.name)
    num_single = sum(not view.group for view in everything)
    st.caption(
        f"{counted(len(found), 'group')} · {counted(num_single, 'run')} in no group "
        "stand in the list of runs only. ± is the standard deviation over seeds."
    )
    for group in found:
        if group.name == opened:
            st.markdown(f"### {plain(group.name)}")
            _picture(group)
            return runs(group.views, everything, tools)
    return False


def _picture(group: Group) -> None:
    """Offer its results against the setting in which it differs, if that is a number.

    Only what is open is computed.
    """
    if not axes_among(group.views):
        return
    box = st.expander(
        "Against a setting", icon=":material/show_chart:", key=PICTURE,
        on_change="rerun", expanded=SETTING in st.query_params,
    )  # fmt: skip
    if box.open:
        with box, guarded("The picture of the group"):
            against(group.views, f"group-against-{group.name}")


def _clicked(key: str, found: Sequence[Group]) -> Group | None:
    """The group of the row whose button was clicked, None if none was."""
    clicked = st.session_state.get(key)
    row: int = len(found) if clicked is None else clicked["row"]
    return found[row] if row < len(found) else None


def _compare_button(group: str) -> None:
    if st.button(
        "Compare group", icon=":material/compare_arrows:", key="compare_group",
        help="Its settings side by side, each averaged over its seeds.",
    ):  # fmt: skip
        _compare(group)


def _compare(group: str) -> None:
    token = navigation.group_token(group)
    navigation.open_comparison(token, by_seeds=True)


def _height(num_rows: int) -> int:
    return min(HIGHEST, ROW + ROW * max(1, num_rows))


def counts(views: Sequence[Summary], everything: Sequence[Summary]) -> str:
    """How many runs there are, and what is still to come.

    Args:
        views: Those that are shown.
        everything: All of them.
    """
    number = len(everything)
    some_of = f"{count(len(views))} of " if len(views) < number else ""
    alive = sum(view.state in ALIVE for view in views)
    pending = sum(view.pending for view in views)
    late = f" · reading {counted(pending, 'result')}" if pending else ""
    return f"{some_of}{counted(number, 'run')}, {count(alive)} alive{late}"
