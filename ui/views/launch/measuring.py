"""Measurements of what runs cost, kept by configuration. No widgets here.

One measurement is made at a time on this machine: it is an errand (`trainers.errands`)
at one place, and gives up by itself. What it finds is kept in a file, for everybody.
"""

import atexit
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from trainers import errands
from trainers.config import RunConfig
from trainers.costs import Cost, cost_key
from trainers.errands import FAILED, LOST, RUNNING, STOPPED
from trainers.jobs.home import Home
from trainers.runs import RunError, write_json

SECONDS = 8  # of measured steps
LIMIT = 180  # seconds after which a measurement gives up
MAX_KINDS = 8  # that are measured for one sweep
KEPT = 86_400.0  # seconds for which a measurement holds: machines change
_GAVE_UP = 124  # exit code of the command


@dataclass(frozen=True)
class Found:
    """A measurement, and when it was made."""

    cost: Cost
    time: float


@dataclass(frozen=True)
class Work:
    """What is being measured, or could not be.

    Args:
        kind: Of which configuration, see `kind_of`.
        state: As `trainers.errands` has it.
        seconds: Since it began.
        problem: What went wrong, "" if nothing.
    """

    kind: str
    state: str
    seconds: float
    problem: str = ""


def folder() -> Path:
    """Where measurements are."""
    return Home.here().folder / "estimates"


def place() -> Path:
    """Where the one errand is."""
    return folder() / "now"


def kind_of(config: RunConfig) -> str:
    """A name for all configurations that one measurement tells of."""
    text = cost_key(config)
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return sha256(f"{text} {threads}".encode()).hexdigest()[:20]


def kinds(configs: Sequence[RunConfig]) -> dict[str, RunConfig]:
    """One configuration of each kind, in their order."""
    found: dict[str, RunConfig] = {}
    for config in configs:
        found.setdefault(kind_of(config), config)
    return found


def known(names: Sequence[str]) -> dict[str, Found]:
    """What was measured of some kinds of late; a damaged file counts as none."""
    return {name: it for name in names if (it := _read(_result(name))) is not None}


def _read(path: Path) -> Found | None:
    with suppress(OSError, ValueError):
        written = path.stat().st_mtime
        if 0 <= time.time() - written < KEPT:
            return Found(Cost.from_json(path.read_text(encoding="utf-8")), written)
    return None


def _result(kind: str) -> Path:
    return folder() / f"{kind}.cost.json"


def begin(kind: str, config: RunConfig) -> None:
    """Start a measurement.

    Raises:
        RunError: If one is under way, or the folder cannot be written to.
    """
    work = look()
    if work is not None and work.state == RUNNING:
        raise RunError("Another estimate is being made here: wait for it, or stop it.")
    settings = folder() / f"{kind}.config.json"
    try:
        folder().mkdir(parents=True, exist_ok=True)
        write_json(settings, config.to_dict())
        _result(kind).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"Nothing can be estimated: {error}") from None
    errands.begin(place(), words(kind, settings))
    _end_with_server(place())


def words(kind: str, settings: Path) -> list[str]:
    """The errand's words, those of the command line."""
    return [
        "trainers", "estimate", "--config", str(settings),
        "--output", str(_result(kind)),
        "--seconds", str(SECONDS), "--limit", str(LIMIT),
    ]  # fmt: skip


def end() -> None:
    """Stop the measurement that is under way, if there is one."""
    errands.end(place())


@cache  # once a place
def _end_with_server(where: Path) -> None:
    atexit.register(errands.end, where)


def look() -> Work | None:
    """What is being measured or was last; None if nothing ever was."""
    try:
        found = errands.look(place())
    except RunError:
        return None  # damaged: the next one takes its place
    if found is None:
        return None
    words = list(found.arguments)
    kind = ""
    with suppress(ValueError, IndexError):
        kind = Path(words[words.index("--output") + 1]).name.split(".")[0]
    problem = ""
    if found.state == LOST:
        problem = "The measurement was interrupted."
    elif found.state == STOPPED:
        problem = "The measurement was stopped."
    elif found.state == FAILED and found.code == _GAVE_UP:
        problem = f"The measurement took longer than {LIMIT // 60} minutes."
    elif found.state == FAILED and not _result(kind).exists():
        problem = _last_line(found.log) or "The measurement failed."
    return Work(kind, found.state, max(0.0, time.time() - found.started), problem)


def _last_line(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else ""
