"""What an evaluation says of its own limits, beside numbers that they concern."""

import streamlit as st

from trainers.runs import Run, RunError
from ui.components import reading
from ui.components.formats import plain


def notes_of(run: Run) -> list[str]:
    """The notes of a run's evaluation; what is wrong with the file is told elsewhere.

    Args:
        run: The run.
    """
    try:
        content = reading.evaluation(run) or {}
    except RunError:
        return []
    found = content.get("notes")
    return [str(each) for each in found] if isinstance(found, list) else []


def show_notes(run: Run) -> None:
    """Show them."""
    for note in notes_of(run):
        st.caption(f":material/info: {plain(note)}")
