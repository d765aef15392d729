"""The page of all runs: see, open, stop, delete."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from data import DATASETS
from trainers import jobs
from trainers.catalogue import model_spec, optimizer_spec
from trainers.runs import RunError, list_runs
from trainers.status import ALIVE
from ui.components import navigation, reading
from ui.components.formats import plain
from ui.components.reading import Summary
from ui.components.states import LOOKS

REFRESH = 3.0  # seconds between two looks while a run is alive
_COLORS = [look.color for look in LOOKS.values()]


def render() -> None:
    """Show the table, refreshed by itself as long as a run is alive."""
    st.markdown("## Runs")
    if not list_runs():
        navigation.empty_state(
            "No runs yet",
            "Train a network on handwritten digits in under a minute: nothing to "
            "download, nothing to set.",
            icon=":material/list:",
        )
        return
    alive = any(view.state in ALIVE for view in _summaries())
    st.fragment(_table, run_every=REFRESH if alive else None)(alive)


def _summaries() -> list[Summary]:
    return [reading.summary(run) for run in list_runs()]


def _table(was_alive: bool) -> None:
    views = _summaries()
    if was_alive and not any(view.state in ALIVE for view in views):
        st.rerun()  # the whole page, which then stops refreshing
    # Keyed by the runs shown: rows are numbers, and when a run comes or goes a
    # selection of row 2 must not come to mean another run.
    ids = "/".join(view.run.id for view in views)
    key = f"runs-{hashlib.sha256(ids.encode()).hexdigest()[:12]}"
    toolbar = st.container(horizontal=True, vertical_alignment="center")
    selection = st.dataframe(
        [row(view) for view in views],
        column_config=_columns(f"{key}-open"),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        row_height=38,
        height=min(760, 38 + 38 * len(views)),
        placeholder="",
        alt="All runs, newest first",
    )
    clicked = st.session_state.get(f"{key}-open")
    if clicked is not None and clicked["row"] < len(views):
        navigation.open_run(views[clicked["row"]].run)
    chosen = [views[k] for k in selection["selection"]["rows"] if k < len(views)]
    with toolbar:
        _actions(views, chosen)


def row(view: Summary) -> dict[str, Any]:
    """One line of the table."""
    config, status = view.config, view.status
    total = status.total_steps if status else 0
    accuracy = view.metrics.get("accuracy")
    return {
        "Open": "Open",
        "Run": view.run.id,
        "State": [LOOKS[view.state].label],
        "Progress": round(min(1.0, status.step / total), 2)
        if status and total > 0
        else None,
        "Dataset": DATASETS[config.dataset.name].title if config else None,
        "Model": model_spec(config.model.name).title if config else None,
        "Optimizer": optimizer_spec(config.optimizer.name).title if config else None,
        "Accuracy": None if accuracy is None else 100 * accuracy,
        "NLL": view.metrics.get("nll"),
        "ECE": view.metrics.get("ece"),
        "Launched": datetime.fromtimestamp(status.created, UTC) if status else None,
        "Note": view.problem,
    }


def _columns(open_key: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "Open": column.ButtonColumn("", type="tertiary", key=open_key, width=70),
        "Run": column.TextColumn(width=190, help="The folder's name, by time."),
        "State": column.MultiselectColumn(
            options=[look.label for look in LOOKS.values()], color=_COLORS, width=100
        ),
        "Progress": column.ProgressColumn(format="percent", width=110),
        "Accuracy": column.NumberColumn(format="%.1f %%", width=85),
        "NLL": column.NumberColumn(format="%.3f", width=70, help="In nats."),
        "ECE": column.NumberColumn(format="%.4f", width=75),
        "Launched": column.DatetimeColumn(format="distance", width=120),
        "Note": column.TextColumn(width="large"),
    }


def _actions(views: Sequence[Summary], chosen: Sequence[Summary]) -> None:
    alive = [view for view in chosen if view.state in ALIVE]
    ended = [view for view in chosen if view.state not in ALIVE]
    if st.button(
        "Open", type="primary", icon=":material/open_in_new:", key="open",
        disabled=len(chosen) != 1,
    ):  # fmt: skip
        navigation.open_run(chosen[0].run)
    if st.button("Stop", icon=":material/stop_circle:", key="stop", disabled=not alive):
        _each(alive, jobs.stop)
    if st.button("Delete", icon=":material/delete:", key="delete", disabled=not ended):
        _confirm_delete(ended)
    running = sum(view.state in ALIVE for view in views)
    told = f"{len(chosen)} selected" if chosen else "Select a row to act on it"
    st.caption(f"{len(views)} runs, {running} alive · {told}")


@st.dialog("Delete for good?", icon=":material/delete:")
def _confirm_delete(views: Sequence[Summary]) -> None:
    one = len(views) == 1
    st.markdown(
        f"{'This run' if one else f'These {len(views)} runs'} and all of "
        f"{'its' if one else 'their'} files will be gone:"
    )
    st.code("\n".join(view.run.id for view in views), language=None)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep", key="keep"):
            st.rerun()
        if st.button("Delete for good", type="primary", key="delete_for_good"):
            _each(views, jobs.delete)


def _each(views: Sequence[Summary], action: Any) -> None:
    problems = []
    for view in views:
        try:
            action(view.run)
        except (RunError, OSError) as error:
            problems.append(str(error))
    if problems:
        st.error(plain("  \n".join(problems)))
    else:
        st.rerun()
