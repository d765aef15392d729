"""What a mirror remembers between two processes, in `mirrors/NAME.json` of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from trainers.jobs.locks import FileLock
from trainers.mirrors.leave import Leave
from trainers.mirrors.mirror import STEP
from trainers.runs import Run, RunError, read_json, write_json

PATIENCE = 0.5  # seconds between two looks whether another mirror has left


@dataclass(frozen=True)
class Memory:
    """How far the mirror got.

    Args:
        tracker_id: What the tracker calls the run; None before it was begun.
        step: Step of the last mirrored row; -1 if there is none.
        kind: Kind of that row.
        started: Unix time from which the times of rows are counted.
        ended: When the run ended whose end was mirrored; None for a run that goes on.
    """

    tracker_id: str | None = None
    step: int = -1
    kind: str = STEP
    started: float | None = None
    ended: float | None = None

    @property
    def position(self) -> tuple[int, bool]:
        """Place of the last mirrored row, as `Row.position`."""
        return self.step, self.kind != STEP


def folder_of(run: Run) -> Path:
    """The folder of a run in which its mirrors keep what is theirs."""
    return run.path / "mirrors"


def memory_file(run: Run, name: str) -> Path:
    """Where a mirror's memory is; without this file it begins anew."""
    return folder_of(run) / f"{name}.json"


def recall(run: Run, name: str) -> Memory:
    """What a mirror remembers of a run; a fresh memory if it knows nothing.

    Raises:
        RunError: If the file is damaged.
    """
    path = memory_file(run, name)
    if not path.exists():
        return Memory()
    try:
        return Memory(**read_json(path))
    except TypeError:
        raise RunError(
            f"{path} is not what a mirror remembers; remove it to mirror anew."
        ) from None


def remember(run: Run, name: str, memory: Memory) -> Memory:
    """Write a memory, and return it; of a deleted run nothing is remembered."""
    if run.path.exists():
        write_json(memory_file(run, name), asdict(memory))
    return memory


def forgotten(run: Run, name: str, what: str) -> RunError:
    """The error of a mirror whose tracker does not know the run any more.

    Args:
        run: The run.
        name: The mirror.
        what: The tracker's run id.

    Returns:
        An error that says what to do.
    """
    path = memory_file(run, name)
    return RunError(f"{name} has no run {what}; remove {path} to mirror anew.")


@contextmanager
def alone(run: Run, name: str, leave: Leave) -> Iterator[bool]:
    """Keep other processes from the same mirror of the same run.

    One that still takes the end of a run that was resumed at once is waited for.

    Args:
        run: The run.
        name: The mirror.
        leave: Ends the wait.

    Yields:
        True; False if it is time to leave and there is still another.
    """
    with FileLock(folder_of(run) / f"{name}.lock") as lock:
        held = lock.acquire(0)
        while not held and not leave.requested:
            leave.pause(PATIENCE)
            held = lock.acquire(0)
        yield held
