"""The state of a run, and whether to believe it.

`status.json` says what the trainer last wrote, `supervisor.json` who watches it;
`observed` adds what can be seen now: a run that claims to be alive while its processes
are gone is `lost`. A process is known by its host, its number and its start time
together, since numbers are used again. Torch-free.
"""

import os
import reprlib
import socket
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import psutil

from trainers.runs import Run, RunError, is_there, read_json, write_json

QUEUED, STARTING, RUNNING, STOPPING = "queued", "starting", "running", "stopping"
FINISHED, STOPPED, FAILED, LOST = "finished", "stopped", "failed", "lost"
ALIVE = (QUEUED, STARTING, RUNNING, STOPPING)
ENDED = (FINISHED, STOPPED, FAILED, LOST)
RESUMABLE = (STOPPED, FAILED, LOST)

ON_REQUEST = "Stopped on request."
WITHOUT_A_WORD = "The processes of this run ended without a word; it can be resumed."

# Failure classes of a failed run, with what a person can do about each.
SUGGESTIONS = {
    "out of memory": "Lower the batch size, or choose a smaller model.",
    "diverged": "Lower the learning rate, or raise the damping if there is one.",
    "data": "Check the named file or folder, then launch again.",
    "configuration": "Correct the named setting, then launch again.",
    "disk": "Free some space on the disk that holds the runs, then press Resume.",
    "installation": "Install or repair the named package, then press Resume.",
    "distributed": "Look at the log of the first rank that failed.",
    "killed": "Something outside ended it; press Resume to go on from its last "
    "checkpoint.",
    "crashed": "A fault in a driver or a compiled library; press Resume to go on from "
    "its last checkpoint, and update it if it happens again.",
    "other": "Read the last lines of the log below.",
}

LARGEST = 1e15  # of a number in a status; NaN and what floats cannot hold are refused
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_TOLERANCE = 1.0  # seconds: clocks of /proc and of the caller differ slightly
# Seconds without a sign of life after which processes of another host count as dead.
SILENCE = 60.0


def _check_number(name: str, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) < LARGEST:
        raise ValueError(f"{name} must be a number, got {reprlib.repr(value)}.")


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process that cannot be mistaken for another."""

    pid: int
    started: float
    host: str = ""  # "" is this one
    birth: str = ""  # boot of the machine, and ticks since; "" where it is not known

    def __post_init__(self) -> None:
        if not isinstance(self.pid, int) or self.pid < 1:
            raise ValueError(f"pid must be a whole number >= 1, got {self.pid!r}.")
        _check_number("started", self.started)

    @classmethod
    def of(cls, pid: int) -> Self:
        """Describe a running process; psutil.NoSuchProcess if there is none."""
        return cls(
            pid=pid,
            started=psutil.Process(pid).create_time(),
            host=socket.gethostname(),
            birth=_birth(pid),
        )

    @classmethod
    def current(cls) -> Self:
        """Describe this process."""
        return cls.of(os.getpid())

    @property
    def is_elsewhere(self) -> bool:
        """Whether it belongs to another host, where this one cannot see it."""
        return self.host not in ("", socket.gethostname())

    def handle(self) -> psutil.Process | None:
        """The live process, or None when it has ended or was never of this host."""
        if self.is_elsewhere:
            return None
        try:
            process = psutil.Process(self.pid)
            # Unix times move when the clock is set; ticks since the boot do not.
            same = abs(process.create_time() - self.started) < START_TOLERANCE
            same = self.birth == _birth(self.pid) if self.birth else same
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if same and alive else None


def _birth(pid: int) -> str:
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
        # The name of a process, in parentheses, may contain anything.
        line = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2]
    except OSError:
        return ""
    return f"{boot}:{int(line.split()[19])}"


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
        workers: The other ranks of a data-parallel run, from rank 1 on.
        step: Steps done.
        total_steps: Steps planned.
        phase: What is being done: "loading", "training", "finishing", "evaluating".
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
        if values.get("trainer"):
            values["trainer"] = Process(**values["trainer"])
        values["workers"] = tuple(Process(**each) for each in values.get("workers", ()))
        for name in ("phase", "error_class", "message", "error_tail"):
            if not isinstance(values.get(name, ""), str):
                raise ValueError(f"{name} must be a text, got {values[name]!r}.")
        for name in ("created", "step", "total_steps"):
            _check_number(name, values.get(name, 0))
        for name in ("started", "ended", "heartbeat"):
            if values.get(name) is not None:
                _check_number(name, values[name])
        return cls(**values)

    def processes(self) -> tuple[Process, ...]:
        """The ranks that the run named, dead or alive."""
        return (*([self.trainer] if self.trainer else []), *self.workers)


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """Who watches a run, as its supervisor writes it.

    Args:
        supervisor: The watching process.
        launcher: What it started: the trainer, or torchrun above several ranks.
        session: Leader of the session in which it was started.
        start: Which start of the run this is: when its job was claimed.
        heartbeat: Unix time of the supervisor's last sign of life.
        concluded: Whether it has seen to the run's final status.
        strays: Processes of the run that nothing else would tell for such: those that
            emptied their environment.
    """

    supervisor: Process
    launcher: Process | None = None
    session: Process | None = None
    start: float = 0.0
    heartbeat: float = 0.0
    concluded: bool = False
    strays: tuple[Process, ...] = ()

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Build it from decoded JSON; ValueError or TypeError if it is none."""
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in dict(content).items() if key in known}
        values["supervisor"] = Process(**values.get("supervisor", {}))
        for name in ("launcher", "session"):
            if values.get(name):
                values[name] = Process(**values[name])
        values["strays"] = tuple(Process(**stray) for stray in values.get("strays", ()))
        for name in ("start", "heartbeat"):
            _check_number(name, values.get(name, 0))
        return cls(**values)


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


def read_supervision(run: Run) -> Supervision | None:
    """Who watched the run last; None without a supervisor or with a damaged file."""
    try:
        return Supervision.from_dict(read_json(run.supervision))
    except (RunError, ValueError, TypeError):
        return None


def write_supervision(run: Run, supervision: Supervision) -> Supervision:
    """Write who watches a run with a fresh heartbeat, and return it."""
    supervision = replace(supervision, heartbeat=time.time())
    write_json(run.supervision, asdict(supervision))
    return supervision


def processes_of(run: Run) -> list[psutil.Process]:
    """Those processes of this host that the run's files name and that are alive, once.

    Raises:
        RunError: If the status file is missing or damaged.
    """
    handles = [process.handle() for process in _named(run, read_status(run))]
    # A single rank is its launcher too; a second signal would mean more than one.
    return list(dict.fromkeys(handle for handle in handles if handle is not None))


def observed(run: Run) -> Status:
    """The state of a run as it can be seen now.

    Args:
        run: The run.

    Returns:
        What the run wrote, with `stopping` shown as soon as a stop is asked for. When
        the run claims to be alive and none of its processes is, the state is `stopped`
        if a stop was asked for, else `lost`. Whether a queued run really is in a queue
        only the job engine knows.

    Raises:
        RunError: If the status file is missing or damaged.
    """
    status = read_status(run)
    if status.state not in (*ENDED, QUEUED) and not _alive(run, status):
        # The end may have been written between our read and our look at processes.
        status = read_status(run)
    if status.state in (*ENDED, QUEUED):
        return status
    stop_requested = is_there(run.stop_request)
    if _alive(run, status):
        return replace(status, state=STOPPING) if stop_requested else status
    state, message = LOST, WITHOUT_A_WORD
    if stop_requested:
        state, message = STOPPED, ON_REQUEST
    return replace(status, state=state, ended=status.heartbeat, message=message)


def check_resumable(run: Run, state: str) -> None:
    """Refuse to go on with a run that is alive or has finished, by RunError."""
    if state not in RESUMABLE:
        raise RunError(f"Run {run.id} cannot be resumed: it is {state}.")


def check_finished(run: Run) -> Status:
    """Refuse a run that did not reach its end, by RunError; return its status."""
    status = observed(run)
    if status.state != FINISHED:
        raise RunError(
            f"run {run.id} must be {FINISHED}, got one that is {status.state}."
        )
    return status


def _named(run: Run, status: Status) -> list[Process]:
    watch = read_supervision(run)
    watchers = [watch.supervisor, watch.launcher] if watch else []
    return [process for process in (*watchers, *status.processes()) if process]


def _alive(run: Run, status: Status) -> bool:
    named = _named(run, status)
    if any(process.handle() is not None for process in named):
        return True
    watch = read_supervision(run)
    heard = max(status.heartbeat or 0.0, watch.heartbeat if watch else 0.0)
    elsewhere = any(process.is_elsewhere for process in named)
    return elsewhere and time.time() - heard < SILENCE
