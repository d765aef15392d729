"""Train the runs of a study in this process, one after the other.

One process at a time is at a group: it holds a lock, since two that trained the same
configurations would do the work twice, and might write into each other's folders.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from trainers.commands.choosing import alive, known_runs
from trainers.commands.tables import what
from trainers.config import RunConfig
from trainers.jobs.launcher import JobState, code_version
from trainers.jobs.locks import FileLock
from trainers.runs import Run, RunError, load_config, new_run
from trainers.status import FINISHED

if TYPE_CHECKING:
    from trainers.jobs.local import Engine

STOPPED_CODE = 130  # of a shell command that SIGINT ended


def members(engine: "Engine", group: str) -> dict[Run, JobState]:
    """The runs of a group, the oldest first."""
    known = known_runs(engine)
    return {
        run: known[run]
        for run in sorted(known, key=lambda run: run.id)
        if known[run].group == group
    }


@contextmanager
def held(engine: "Engine", group: str) -> Iterator[None]:
    """Keep other processes from training the same group for the block.

    Raises:
        RunError: If one is at it.
    """
    mark = sha256(os.fsencode(group)).hexdigest()[:12]
    with FileLock(engine.home.folder / "locks" / f"study-{mark}.lock") as lock:
        if not lock.acquire(patience=0.0):
            raise RunError(f"Another process is at the study in group {group!r}.")
        yield


def train_missing(
    engine: "Engine", group: str, configs: Sequence[RunConfig], axes: Sequence[str]
) -> tuple[list[Run], bool]:
    """Train one after the other what has not finished yet.

    Args:
        engine: The engine, which notes the group of new runs.
        group: Its name; the caller has it `held`.
        configs: What is wanted.
        axes: Names of the settings in which they differ.

    Returns:
        The runs, and whether none was stopped: a stop ends it at once. A run that fails
        leaves the others to be trained, and one that is queued or at work elsewhere is
        left to who has it.
    """
    runs: list[Run] = []
    for number, config in enumerate(configs, start=1):
        place = f"{number} of {len(configs)}: {what(config, axes)}"
        # Looked up anew: hours may have passed, and others queue and stop runs.
        found, state = _newest(engine, group, config)
        if found is not None and state is not None and _is_settled(state):
            print(f"{place}: {state.status.state} already", flush=True)
            runs.append(found)
            continue
        print(place, flush=True)
        run = found or _new(engine, group, config)
        runs.append(run)
        if _trained(run) == STOPPED_CODE:
            return runs, False
    return runs, True


def _newest(
    engine: "Engine", group: str, config: RunConfig
) -> tuple[Run | None, JobState | None]:
    """The last run of a configuration in a group, and how it stands."""
    key = repr(config)
    for run, state in reversed(members(engine, group).items()):
        if repr(load_config(run)) == key:
            return run, state
    return None, None


def _is_settled(state: JobState) -> bool:
    return state.status.state == FINISHED or alive(state)


def _new(engine: "Engine", group: str, config: RunConfig) -> Run:
    """Make the folder of a run, and note its group where the pages look for it."""
    from trainers.jobs.schema import ENDED
    from trainers.jobs.store import Job

    run = new_run(config, code_version())
    content = json.dumps({**config.to_dict(), "code_version": code_version()})
    # Nobody but this process starts it: for the engine it has ended already.
    engine.store.add([
        Job(path=str(run.path), config=content, stage=ENDED, group=group,
            device=config.training.device, submitted=time.time(), announced=True)
    ])  # fmt: skip
    return run


def _trained(run: Run) -> int:
    """Train a run to its end; 130 if it was stopped."""
    from trainers.session import train_run  # which loads torch
    from trainers.status import STOPPED

    run.stop_request.unlink(missing_ok=True)
    status = train_run(run)
    if status.state != FINISHED:
        print(f"{status.state}: {status.message}")
    return STOPPED_CODE if status.state == STOPPED else 0
