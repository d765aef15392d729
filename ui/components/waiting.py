"""The queue for the eye: where a run stands in it, why it waits, and the pause."""

import streamlit as st

from trainers.runs import Run, RunError
from trainers.status import Status
from ui.components import engine, navigation, reading
from ui.components.engine import attempt
from ui.components.formats import count, counted, plain
from ui.components.reading import Summary

NUM_NAMED = 4  # runs before one that are named; the rest are counted


def place_text(position: int) -> str:
    """A place in the queue in words."""
    return "It is the next one." if position == 1 else f"It is #{position} in the queue."


def before(view: Summary) -> None:
    """Say of a queued run where it stands, what it waits for and what goes first."""
    if view.position is None or view.job is None:
        st.info("This run is queued.", icon=":material/hourglass_empty:")
        return
    parts = [f"**{place_text(view.position)}**"]
    parts.append(plain(view.job.reason) or "The dispatcher looks at it in a moment.")
    if view.job.status.step:
        parts.append(f"It goes on from step {count(view.job.status.step)}.")
    st.info(" ".join(parts), icon=":material/hourglass_empty:")
    paused()
    _named(_ahead(view.position))


def _ahead(position: int) -> list[Run]:
    queue = engine.queue()
    return queue.queue()[: position - 1] if queue else []


def _named(runs: list[Run]) -> None:
    if not runs:
        return
    shown, _ = reading.summaries(runs[:NUM_NAMED])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Before it:", width="content")
        for view in shown:
            navigation.link_to_run(view.run, view.run.id)
        if len(runs) > NUM_NAMED:
            st.caption(f"and {count(len(runs) - NUM_NAMED)} more", width="content")
