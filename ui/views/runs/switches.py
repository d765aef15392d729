"""What the page shows of the runs: themselves or their groups, and which columns."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from ui.components.formats import counted
from ui.components.reading import Summary
from ui.views.runs import address
from ui.views.runs.column import Column
from ui.views.runs.columns import catalogue
from ui.views.runs.export import as_csv
from ui.views.runs.table import chosen

VIEW, GROUPS = "view", "groups"  # /runs?view=groups
COLUMNS = "columns"  # /runs?columns=state,nll,setting.lr
_VIEWS = {"": ":material/list: Runs", GROUPS: ":material/folder: Groups"}


def grouped() -> bool:
    """Whether groups are shown in place of single runs."""
    return address.value(VIEW) == GROUPS


def offer_groups(views: Sequence[Summary]) -> None:
    """Let a person choose between runs and groups, if there are any."""
    address.give(VIEW, GROUPS if grouped() else "")
    if grouped() or any(view.group for view in views):
        st.segmented_control(
            "View", list(_VIEWS), key=address.key(VIEW), required=True,
            format_func=_VIEWS.__getitem__, label_visibility="collapsed",
            on_change=address.write, args=(VIEW,),
        )  # fmt: skip


def choose_columns(known: Mapping[str, Column], shown: Sequence[Column]) -> None:
    """Let a person choose the columns.

    Args:
        known: All that there are, by id.
        shown: Those that the table has now.
    """
    address.give(COLUMNS, [column.id for column in shown])
    with st.popover("Columns", icon=":material/view_column:", key="columns"):
        st.multiselect(
            "Columns, in their order", list(known), key=address.key(COLUMNS),
            format_func=lambda name: known[name].title, on_change=address.write,
            args=(COLUMNS,), width=460, placeholder="Any metric, setting or word",
            select_all=False,
        )  # fmt: skip
        st.button(
            "Default columns", icon=":material/restart_alt:", key="default_columns",
            disabled=address.value(COLUMNS) is None, on_click=address.put,
            args=(COLUMNS, None),
        )  # fmt: skip


def wanted() -> list[str] | None:
    """The ids of the columns that the address asks for, None for the default ones."""
    return address.several(COLUMNS)


def download(
    views: Sequence[Summary], everything: Sequence[Summary], axes: Sequence[str]
) -> None:
    """Offer the table as a file, what is shown of it and all of it.

    Args:
        views: The runs that are shown.
        everything: All runs.
        axes: The settings in which those shown differ.
    """
    names = wanted()
    with st.popover("CSV", icon=":material/download:", key="csv"):
        for runs, told, key in (
            (views, "shown", "csv_shown"),
            (everything, "in all", "csv_all"),
        ):
            st.download_button(
                f"{counted(len(runs), 'run')} {told}",
                data=partial(_file, runs, names, axes),
                file_name="runs.csv", mime="text/csv", key=key, on_click="ignore",
                icon=":material/download:", disabled=not runs, width="stretch",
            )  # fmt: skip
        st.caption(
            "With the columns that are chosen; shares as fractions, times in UTC."
        )


def _file(
    views: Sequence[Summary], names: Sequence[str] | None, axes: Sequence[str]
) -> bytes:
    """The file of a click, for which whatever is to be told is read."""
    columns = chosen(catalogue(views, axes), names, views)
    return as_csv(views, columns)
