"""An errand on a page: how it stands, the way to stop it, and what became of it."""

import time
from functools import partial
from pathlib import Path

import streamlit as st

from trainers import errands
from trainers.errands import DONE, LOST, RUNNING, STOPPED, Errand
from trainers.runs import RunError
from ui.components import access
from ui.components.engine import attempt
from ui.components.formats import age, plain


def standing(place: Path) -> Errand | None:
    """How the errand at a place stands; None if there was none, or damage is told."""
    try:
        return errands.look(place)
    except RunError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None


def stop_button(place: Path, key: str) -> None:
    """Offer to stop the errand at a place."""
    if st.button(
        "Stop", icon=":material/stop_circle:", key=key, disabled=not access.may_edit()
    ):
        attempt([partial(errands.end, place)])


def tell_ending(found: Errand | None, what: str, failed: str) -> None:
    """Say how an errand ended, unless it did what it was to do.

    Args:
        found: The errand, None if there was none.
        what: What it was to make, such as "The report".
        failed: What is said of it if it failed, such as "could not be made".
    """
    if found is None or found.state in (DONE, RUNNING):
        return
    when = age(max(0.0, time.time() - found.started))
    if found.state == STOPPED:
        st.info(f"{what} was stopped ({when}).", icon=":material/stop_circle:")
        return
    told = "was interrupted" if found.state == LOST else failed
    st.error(f"**{what} {told}** ({when}).", icon=":material/error:")
    if found.log:
        # A bar overwrites its line: what was last on each is what a terminal shows.
        lines = [line.rpartition("\r")[2] for line in found.log.split("\n")]
        st.code("\n".join(filter(None, lines)), language=None, wrap_lines=True)
