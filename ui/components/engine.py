"""The job engine as the pages use it: what it can do, and what it says against it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import streamlit as st

from trainers import jobs
from trainers.jobs.launcher import Archive, JobState, Launcher, Queue
from trainers.runs import Run, RunError
from ui.components import access
from ui.components.formats import plain


def engine() -> Launcher:
    """Whatever runs jobs here."""
    return jobs.engine()


def queue() -> Queue | None:
    """The engine, if its queue can be looked at and arranged; RunError if it fails."""
    launcher = engine()
    # Up to Python 3.11 this asks whether it is paused, which may fail.
    return launcher if isinstance(launcher, Queue) else None


def archive() -> Archive | None:
    """The engine, if it can resume and delete runs."""
    launcher = engine()
    return launcher if isinstance(launcher, Archive) else None


def states(runs: Sequence[Run]) -> dict[Run, JobState]:
    """How many runs stand, damaged ones left out; RunError if the engine fails."""
    keeper = archive()
    if keeper is not None:
        return keeper.states(runs)
    found = {}
    for run in runs:
        with suppress(RunError):
            found[run] = engine().state(run)
    return found


def attempt(actions: Iterable[Callable[[], object]]) -> None:
    """Do what was asked for, then look at the page anew; a refusal is told instead.

    Args:
        actions: Each is done, also when one before it was refused.
    """
    problems = []
    for action in actions:
        try:
            access.require_editor()
            action()
        except (RunError, OSError, ValueError) as error:
            problems.append(plain(str(error)))
    if problems:
        st.error("  \n".join(problems), icon=":material/error:")
    else:
        st.rerun()


@contextmanager
def told() -> Iterator[None]:
    """Show what the engine says against it in place of the rest of a block."""
    try:
        yield
    except RunError as error:
        trouble(str(error))


def trouble(problem: str) -> None:
    """Say that the engine fails, "" if it does not, and what a page is worth then."""
    if problem:
        st.error(
            f"**The job engine cannot be used.** {plain(problem)}  \nThis page shows "
            "what the run folders say; nothing can be started or stopped.",
            icon=":material/power_off:",
        )
