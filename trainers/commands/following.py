"""Waiting for runs, with a line on each change of their state."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainers.commands.tables import standing
from trainers.jobs.launcher import JobState
from trainers.runs import Run
from trainers.status import ALIVE, FINISHED

if TYPE_CHECKING:
    from trainers.jobs.local import Engine

POLL = 0.5  # seconds between two looks
GONE = "gone"  # the state of a run whose folder was removed or damaged
INTERRUPTED = 130  # exit code of a shell command that SIGINT ended


def follow(engine: "Engine", runs: Sequence[Run]) -> bool:
    """Print what becomes of runs until all have ended.

    Args:
        engine: The engine, whose dispatcher is looked after meanwhile.
        runs: The runs.

    Returns:
        Whether all have finished.
    """
    told: dict[Run, str] = {}
    while True:
        states = engine.states(runs)  # which looks after the dispatcher, too
        for run in runs:
            seen = states.get(run)
            state = seen.status.state if seen else GONE
            if told.get(run) != state:
                told[run] = state
                print(f"{time.strftime('%H:%M:%S')}  {_sentence(run, seen)}")
        if not any(state in ALIVE for state in told.values()):
            return set(told.values()) <= {FINISHED}
        time.sleep(POLL)


def _sentence(run: Run, seen: JobState | None) -> str:
    # Imported here: it brings in the job store, of which a trainer has no use.
    from trainers.jobs.announce import announcement

    if seen is None:
        return f"Run {run.id}: its folder is damaged or gone."
    if seen.status.state not in ALIVE:
        return str(announcement(run, seen.status.state)["text"])
    return f"Run {run.id}: {standing(seen)}. {seen.reason}".strip()
