"""What can be done with the runs that are selected in the list."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from trainers.jobs.launcher import MAX_PRIORITY, Archive, Queue
from trainers.status import ALIVE, RESUMABLE
from ui.components import access, engine, navigation
from ui.components.annotating import annotate
from ui.components.deleting import confirm_delete
from ui.components.engine import attempt
from ui.components.formats import counted
from ui.components.reading import Summary
from ui.views.runs.groups import family

MOST = 10  # runs of a report, and lines of a comparison
MOST_IN_ALL = 200  # runs of a comparison, 20 seeds a line


def actions(chosen: Sequence[Summary]) -> None:
    """Show the buttons; each acts on those of the selection that it suits."""
    one = chosen[0].run if len(chosen) == 1 else None
    if st.button(
        "Open", type="primary", icon=":material/open_in_new:", key="open",
        disabled=one is None,
    ) and one:  # fmt: skip
        navigation.open_run(one)
    _look_at(chosen)
    annotate(chosen)
    viewer = not access.may_edit()
    alive = [view for view in chosen if view.state in ALIVE]
    if st.button(
        "Stop", icon=":material/stop_circle:", key="stop", disabled=viewer or not alive
    ):
        attempt(partial(engine.engine().stop, view.run) for view in alive)
    archive = engine.archive()
    if archive is not None:
        _keep(archive, chosen, viewer)
    if st.button(
        "Clone", icon=":material/content_copy:", key="clone",
        disabled=viewer or one is None,
    ) and one:  # fmt: skip
        navigation.open_page(navigation.LAUNCH, **{navigation.CLONE: one.id})
    queued = [view for view in chosen if view.position is not None]
    queue = engine.queue() if queued and not viewer else None
    if queue is not None:
        _arrange(queue, sorted(queued, key=lambda view: view.position or 0))


def _look_at(chosen: Sequence[Summary]) -> None:
    """Set runs side by side, or write a report of them."""
    ids = [view.run.id for view in chosen]
    # More runs than lines: those that differ in the seed alone become one line.
    by_seeds = len(ids) > MOST
    lines = len({family(view) for view in chosen}) if by_seeds else len(ids)
    if st.button(
        "Compare", icon=":material/compare_arrows:", key="compare",
        disabled=not 0 < lines <= MOST or len(ids) > MOST_IN_ALL,
        help=f"Of 1 to {MOST} runs, or settings with several seeds each.",
    ):  # fmt: skip
        navigation.open_comparison(*ids, by_seeds=by_seeds)
    if st.button(
        "Report", icon=":material/lab_profile:", key="report",
        disabled=not 0 < len(ids) <= MOST, help=f"Of 1 to {MOST} runs.",
    ):  # fmt: skip
        navigation.open_page(navigation.REPORT, **{navigation.CHOSEN: ",".join(ids)})


def _keep(archive: Archive, chosen: Sequence[Summary], viewer: bool) -> None:
    """Go on with ended runs, or delete them."""
    resumable = [view for view in chosen if view.state in RESUMABLE]
    if st.button(
        "Resume", icon=":material/resume:", key="resume",
        disabled=viewer or not resumable,
    ):  # fmt: skip
        attempt(partial(archive.resume, view.run) for view in resumable)
    ended = [view for view in chosen if view.state not in ALIVE]
    if st.button(
        "Delete", icon=":material/delete:", key="delete", disabled=viewer or not ended
    ):
        confirm_delete(archive, [view.run for view in ended])


def _arrange(queue: Queue, queued: Sequence[Summary]) -> None:
    """Change the order of the queue.

    Args:
        queue: The queue.
        queued: The selected ones in it, first one first.
    """
    if st.button("To the front", icon=":material/vertical_align_top:", key="front"):
        # The last one first, so that they keep their order.
        attempt(partial(queue.move, view.run, 1) for view in reversed(queued))
    if st.button("Up", icon=":material/arrow_upward:", key="up"):
        attempt(
            partial(queue.move, view.run, max(least, (view.position or 0) - 1))
            for least, view in enumerate(queued, start=1)
        )
    with st.popover("Priority", icon=":material/low_priority:"):
        _priority(queue, queued)


def _priority(queue: Queue, queued: Sequence[Summary]) -> None:
    known = {view.job.priority for view in queued if view.job}
    value = st.number_input(
        f"Priority of {counted(len(queued), 'run')}", -MAX_PRIORITY, MAX_PRIORITY,
        max(known), 1, key="new_priority",
        help="Larger goes first; those alike go in their order.",
    )  # fmt: skip
    if st.button("Set", type="primary", key="set_priority"):
        attempt(partial(queue.set_priority, view.run, value) for view in queued)
