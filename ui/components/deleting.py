"""Runs deleted for good, once somebody has said twice that they shall be."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from trainers.jobs.launcher import Archive
from trainers.runs import Run
from ui.components import predictions, reading
from ui.components.engine import attempt


@st.dialog("Delete for good?", icon=":material/delete:")
def confirm_delete(
    archive: Archive, runs: Sequence[Run], then: Callable[[], None] | None = None
) -> None:
    """Ask, and delete.

    Args:
        archive: What keeps the runs.
        runs: Those to delete.
        then: Done when all are gone, such as going to another page; by default the
            page is looked at anew.
    """
    one = len(runs) == 1
    st.markdown(
        f"{'This run' if one else f'These {len(runs)} runs'} and all of "
        f"{'its' if one else 'their'} files will be gone:"
    )
    st.code("\n".join(run.id for run in runs), language=None)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep", key="keep"):
            st.rerun()
        if st.button("Delete for good", type="primary", key="delete_for_good"):
            _delete(archive, runs, then)


def _delete(
    archive: Archive, runs: Sequence[Run], then: Callable[[], None] | None
) -> None:
    left = list(runs)

    def delete(run: Run) -> None:
        archive.delete(run)
        predictions.forget(run)
        reading.forget(run)
        left.remove(run)
        if then is not None and not left:
            then()

    attempt(partial(delete, run) for run in runs)
