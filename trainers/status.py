"""The state of a run, and whether to believe it.

`status.json` says what the run last wrote; `observed` adds what can be seen now: a run
that claims to be alive while its processes are gone is `lost`. A process is known by
its number and its start time together, since numbers are used again. Torch-free.
"""

import math
import os
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import psutil

from trainers.runs import Run, RunError, read_json, write_json

QUEUED, STARTING, RUNNING, STOPPING = "queued", "starting", "running", "stopping"
FINISHED, STOPPED, FAILED, LOST = "finished", "stopped", "failed", "lost"
ALIVE = (QUEUED, STARTING, RUNNING, STOPPING)
ENDED = (FINISHED, STOPPED, FAILED, LOST)

# Failure classes of a failed run, with what a person can do about each.
SUGGESTIONS = {
    "out of memory": "Lower the batch size, or choose a smaller model.",
    "diverged": "Lower the learning rate, or with VOGN raise the damping.",
    "data": "Check the named file or folder, then launch again.",
    "configuration": "Correct the named setting, then launch again.",
    "distributed": "Look at the log of the first rank that failed.",
    "other": "Read the last lines of the log below.",
}

START_TOLERANCE = 1.0  # seconds: clocks of /proc and of the caller differ slightly
LAUNCH_PATIENCE = 60.0  # seconds that a new supervisor has to write its first status


def _check_number(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number, got {value!r}.")


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process that cannot be mistaken for another."""

    pid: int
    started: float

    def __post_init__(self) -> None:
        if not isinstance(self.pid, int) or self.pid < 1:
            raise ValueError(f"pid must be a whole number >= 1, got {self.pid!r}.")
        _check_number("started", self.started)

    @classmethod
    def of(cls, pid: int) -> Self:
        """Describe a running process; psutil.NoSuchProcess if there is none."""
        return cls(pid=pid, started=psutil.Process(pid).create_time())

    @classmethod
    def current(cls) -> Self:
        """Describe this process."""
        return cls.of(os.getpid())

    def handle(self) -> psutil.Process | None:
        """The live process, or None when it has ended or was never ours."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < START_TOLERANCE
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if same and alive else None


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a run says of itself.

    Args:
        state: One of `ALIVE` or `ENDED`.
        created: Unix time of the launch.
        started: Unix time at which training began.
        ended: Unix time of the end.
        heartbeat: Unix time of the last sign of life.
        trainer: The training process.
        supervisor: The process that watches it, if there is one.
        workers: The other ranks of a data-parallel run, from rank 1 on.
        step: Steps done.
        total_steps: Steps planned.
        phase: What is being done: "loading", "training", "evaluating".
        error_class: Key of `SUGGESTIONS` for a failed run.
        message: One sentence for people.
        error_tail: Last lines of the log of a failed or lost run.
    """

    state: str
    created: float
    started: float | None = None
    ended: float | None = None
    heartbeat: float | None = None
    trainer: Process | None = None
    supervisor: Process | None = None
    workers: tuple[Process, ...] = ()
    step: int = 0
    total_steps: int = 0
    phase: str = ""
    error_class: str = ""
    message: str = ""
    error_tail: str = ""

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Build a status from decoded JSON.

        Raises:
            ValueError: If it is not an object with a known state, or a time or a
                count is no number.
        """
        if not isinstance(content, dict) or content.get("state") not in ALIVE + ENDED:
            raise ValueError(f"status must be an object with a state, got {content!r}.")
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in content.items() if key in known}
        for name in ("trainer", "supervisor"):
            if values.get(name):
                values[name] = Process(**values[name])
        values["workers"] = tuple(Process(**each) for each in values.get("workers", ()))
        for name in ("created", "step", "total_steps"):
            _check_number(name, values.get(name, 0))
        for name in ("started", "ended", "heartbeat"):
            if values.get(name) is not None:
                _check_number(name, values[name])
        return cls(**values)

    def processes(self) -> list[psutil.Process]:
        """Those of the run's own processes that are alive."""
        known = (self.supervisor, self.trainer, *self.workers)
        handles = [process.handle() for process in known if process is not None]
        return [handle for handle in handles if handle is not None]


def read_status(run: Run) -> Status:
    """Read what the run last wrote.

    Raises:
        RunError: If the file is missing or damaged.
    """
    try:
        return Status.from_dict(read_json(run.status))
    except (ValueError, TypeError) as error:
        raise RunError(f"{run.status} is not a status: {error}") from None


def write_status(run: Run, status: Status) -> Status:
    """Write a status with a fresh heartbeat, and return it."""
    status = replace(status, heartbeat=time.time())
    write_json(run.status, asdict(status))
    return status


def begin_status(run: Run) -> Status:
    """Write that this process now trains the run, and return the status."""
    try:
        status = read_status(run)
    except RunError:
        status = Status(state=STARTING, created=time.time())
    begun = replace(
        status, state=RUNNING, started=status.started or time.time(), ended=None,
        trainer=Process.current(), workers=(), phase="loading", error_class="",
        message="", error_tail="",
    )  # fmt: skip
    return write_status(run, begun)


def end_status(run: Run, status: Status, state: str, **details: Any) -> Status:
    """Write the final state of a run, and return it."""
    ended = replace(status, state=state, ended=time.time(), phase="", **details)
    return write_status(run, ended)


def observed(run: Run) -> Status:
    """The state of a run as it can be seen now.

    Args:
        run: The run.

    Returns:
        What the run wrote, with `stopping` shown as soon as a stop is asked for. When
        the run claims to be alive and neither its trainer nor its supervisor is, the
        state is `stopped` if a stop was asked for, else `lost`.

    Raises:
        RunError: If the status file is missing or damaged.
    """
    status = read_status(run)
    if status.state not in ENDED and not _alive(status):
        # The end may have been written between our read and our look at processes.
        status = read_status(run)
    if status.state in ENDED:
        return status
    stop_requested = run.stop_request.exists()
    if _alive(status):
        return replace(status, state=STOPPING) if stop_requested else status
    if stop_requested:
        return replace(status, state=STOPPED, ended=status.heartbeat)
    message = "The processes of this run ended without a word; it can be resumed."
    return replace(status, state=LOST, ended=status.heartbeat, message=message)


def _alive(status: Status) -> bool:
    if status.processes():
        return True
    # Between the launch and the supervisor's first word there is no process to see.
    launched = status.state == STARTING and status.supervisor is status.trainer is None
    return launched and time.time() - (status.heartbeat or 0) < LAUNCH_PATIENCE
