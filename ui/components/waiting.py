"""The queue for the eye: where a run stands in it, why it waits, and the pause."""

from collections.abc import Sequence

import streamlit as st

from trainers.jobs.launcher import Queue
from trainers.runs import Run
from ui.components import access, engine, navigation, reading
from ui.components.engine import attempt
from ui.components.formats import count, counted, plain
from ui.components.reading import Summary

NUM_NAMED = 4  # runs before one that are named; the rest are counted


def place_text(position: int) -> str:
    """A place in the queue in words."""
    if position == 1:
        return "It is the next one."
    return f"It is #{position} in the queue."


def before(view: Summary) -> None:
    """Say of a queued run where it stands, what it waits for and what goes first."""
    if view.position is None or view.job is None:
        st.info("This run is queued.", icon=":material/hourglass_empty:")
        return
    parts = [f"**{place_text(view.position)}**"]
    parts.append(plain(view.job.reason) or "The dispatcher looks at it in a moment.")
    if view.job.status.step:
        parts.append(f"It goes on from step {count(view.job.status.step)}.")
    queue = engine.queue()
    if queue is not None and queue.paused:
        paused(queue)
    st.info(" ".join(parts), icon=":material/hourglass_empty:")
    if queue is not None:
        _named(queue.queue()[: view.position - 1])


def paused(queue: Queue) -> None:
    """Say that the queue stands still, and offer to go on."""
    with st.container(horizontal=True, vertical_alignment="center", key="paused"):
        st.warning(
            "**The queue is paused.** Nothing new starts; what runs goes on.",
            icon=":material/pause_circle:",
        )
        if st.button("Go on", icon=":material/play_arrow:", key="go_on",
                     type="primary", disabled=not access.may_edit()):  # fmt: skip
            attempt([queue.unpause])


def overview(queue: Queue, views: Sequence[Summary]) -> None:
    """Show the queue in a line above the list of runs.

    Args:
        queue: The queue.
        views: All runs, of which some may wait.
    """
    if queue.paused:
        paused(queue)
    waiting = [view for view in views if view.position is not None]
    first = min(waiting, key=lambda view: view.position or 0, default=None)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(standing(len(waiting), first), width="stretch")
        if not queue.paused and st.button(
            "Pause the queue", icon=":material/pause:", key="pause",
            disabled=not access.may_edit(),
            help="Nothing new starts until you go on; what runs goes on.",
        ):  # fmt: skip
            attempt([queue.pause])


def standing(number: int, first: Summary | None) -> str:
    """The queue in a sentence, with the reason why its first run waits."""
    if first is None:
        return ":material/hourglass_empty: The queue is empty."
    told = f":material/hourglass_empty: **{counted(number, 'run')} queued.** "
    reason = first.job.reason if first.job else ""
    return f"{told}Next is {plain(first.run.id)}. {plain(reason)}".strip()


def move(run: Run, place: int) -> None:
    """Put a queued run at a place, counted from 1; nothing where there is no queue."""
    queue = engine.queue()
    if queue is not None:
        queue.move(run, place)


def _named(runs: Sequence[Run]) -> None:
    if not runs:
        return
    shown, _ = reading.summaries(runs[:NUM_NAMED])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Before it:", width="content")
        for view in shown:
            navigation.link_to_run(view.run, view.run.id)
        if len(runs) > NUM_NAMED:
            st.caption(f"and {count(len(runs) - NUM_NAMED)} more", width="content")
