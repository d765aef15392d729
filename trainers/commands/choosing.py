"""Which runs a command means: by id or path, by group, or all of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainers.jobs.launcher import JobState, checked_group
from trainers.runs import Run, RunError, find_here, list_runs
from trainers.status import ALIVE

if TYPE_CHECKING:
    from trainers.jobs.local import Engine


def known_runs(engine: "Engine") -> dict[Run, JobState]:
    """How all runs stand that are in the queue, at work here, or among the runs."""
    active = engine.store.active(engine.store.host)
    runs = [*engine.queue(), *(job.run for job in active), *list_runs()]
    return engine.states(dict.fromkeys(runs))


def alive(state: JobState) -> bool:
    """Whether a run is queued or at work."""
    return state.status.state in ALIVE


def chosen_runs(
    engine: "Engine",
    names: Sequence[str],
    group: str | None = None,
    everything: bool = False,
) -> dict[Run, JobState]:
    """The runs that somebody named, each once, and how they stand.

    Args:
        engine: The engine.
        names: Ids or paths.
        group: A group whose runs are meant too.
        everything: Whether all that are alive are meant too.

    Returns:
        The runs in the order in which they were named, members of a group by their id.

    Raises:
        ValueError: If nothing was named, or the group by no name.
        RunError: If a run or the group does not exist, or a named run is damaged.
    """
    if not (names or group is not None or everything):
        raise ValueError("RUN or --group must be given, got nothing.")
    named = list(dict.fromkeys(map(find_here, names)))
    states = engine.states(named)
    # What is left out is damaged: asked for alone, it says how.
    chosen = {run: states.get(run) or engine.state(run) for run in named}
    if group is None and not everything:
        return chosen
    known = known_runs(engine)
    groups = {state.group for state in known.values()}
    if group is not None and checked_group(group) not in groups:
        raise RunError(f"There is no group {group!r} of runs.")
    for run in sorted(known, key=lambda run: run.id):
        state = known[run]
        if state.group == group or (everything and alive(state)):
            chosen.setdefault(run, state)
    return chosen
