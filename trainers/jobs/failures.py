"""Why a run ended whose trainer did not say it. Torch-free.

`explain` weighs what others saw: the exit code, what the launcher of several ranks
reported in `log/failure.json`, whether the kernel ran out of memory, and the log.
"""

import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from trainers.runs import Run, RunError, read_json, write_json

VMSTAT = Path("/proc/vmstat")
LONGEST = 300  # characters of a line of the log in a message

# Signals that a fault in compiled code raises. All others come from outside.
FAULTS = frozenset({
    signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE,
    signal.SIGTRAP, signal.SIGSYS,
})  # fmt: skip

# What a line of the log means, the likeliest cause first: a rank without memory also
# breaks its connections. Errors by name stand where Python writes them, at the start.
_ERROR = r"^(?:\[rank\d+\]: ?)?(?:[\w.]*\.)?"
SIGNS = (
    (
        "out of memory",
        rf"{_ERROR}\w*(?:MemoryError|OutOfMemoryError)\b|out of memory|bad_alloc"
        r"|(?:can't|cannot) allocate memory|CUBLAS_STATUS_ALLOC_FAILED",
    ),
    ("disk", r"No space left on device|Disk quota exceeded"),
    (
        "installation",
        rf"{_ERROR}(?:ModuleNotFoundError|ImportError): |: No module named "
        r"|error while loading shared libraries",
    ),
    (
        "distributed",
        rf"{_ERROR}(?:Dist\w+Error|Rendezvous\w+Error|DistributedError)\b|/gloo/"
        r"|ProcessGroup(?:NCCL|Gloo)|NCCL error|nccl\w+Error",
    ),
)


@dataclass(frozen=True)
class Failure:
    """Why a run ended.

    Args:
        error_class: Key of `trainers.status.SUGGESTIONS`.
        message: One sentence for people.
    """

    error_class: str
    message: str


@dataclass(frozen=True)
class Report:
    """The first failure that the launcher of several ranks saw.

    Args:
        rank: Which rank; None when the launcher itself failed.
        local_rank: Its number on its machine.
        exitcode: Its exit code, or a signal's number below zero.
        pid: Its process.
        timestamp: Unix time at which it was seen.
        message: What it said of its error, if anything.
    """

    rank: int | None
    local_rank: int | None
    exitcode: int
    pid: int
    timestamp: float
    message: str = ""

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Build a report from decoded JSON.

        Raises:
            ValueError: If it is not an object of such values.
        """
        if not isinstance(content, Mapping):
            raise ValueError(f"report must be an object, got {content!r}.")
        known = {item.name for item in fields(cls)}
        try:
            report = cls(**{key: content[key] for key in known & set(content)})
        except TypeError as error:
            raise ValueError(f"report must be complete: {error}") from None
        for name in ("exitcode", "pid"):
            if not isinstance(getattr(report, name), int):
                raise ValueError(f"{name} must be a whole number, got {content!r}.")
        if not isinstance(report.rank, int | None):
            raise ValueError(f"rank must be a whole number, got {report.rank!r}.")
        return report


def report_path(run: Run) -> Path:
    """Where the launcher reports the first failure of a rank."""
    return run.log.parent / "failure.json"


def write_report(run: Run, report: Report) -> None:
    """Write what the launcher saw, atomically."""
    path = report_path(run)
    path.parent.mkdir(exist_ok=True)
    write_json(path, asdict(report))


def read_report(run: Run) -> Report | None:
    """What the launcher saw; None when it saw nothing or the file is damaged."""
    with suppress(RunError, ValueError):
        return Report.from_dict(read_json(report_path(run)))
    return None


def oom_kills(path: Path = VMSTAT) -> int:
    """Kills for want of memory since this machine started; 0 where none are counted."""
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


def explain(
    exit_code: int | None,
    report: Report | None = None,
    memory_kills: int = 0,
    tail: str = "",
) -> Failure:
    """Why a run ended whose trainer did not say it, and which was not asked to stop.

    Args:
        exit_code: Of the process that was started, a signal's number below zero; None
            if it is not known.
        report: What the launcher saw, if there was one.
        memory_kills: Kills that `oom_kills` counted from start to end of the run.
        tail: The last lines of the log of the rank that failed, of this attempt only.

    Returns:
        The class and a sentence.
    """
    code = report.exitcode if report else exit_code
    who = _who(report)
    if code is not None and code < 0 and -code not in FAULTS:
        return Failure(*_killed(who, -code, memory_kills))
    kind, line = _sign(f"{tail}\n{report.message}" if report else tail)
    if code == 2 and not kind:  # the command line refused something, in one line
        kind, line = _refusal(tail)
    kind = kind or ("other" if code is None or code >= 0 else "crashed")
    line = line or (report.message[:LONGEST] if report else "")
    return Failure(kind, f"{who} {_end(code)}{f': {line}' if line else '.'}")


def _who(report: Report | None) -> str:
    if report is None:
        return "The training process"
    name = "The launcher" if report.rank is None else f"Rank {report.rank}"
    return f"{name} (process {report.pid})"


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def _killed(who: str, number: int, memory_kills: int) -> tuple[str, str]:
    if number != signal.SIGKILL:
        return "killed", f"{who} was ended by {_signal(number)} from outside."
    sentence = f"{who} was killed by {_signal(number)}"
    if memory_kills > 0:
        return "out of memory", f"{sentence} when the machine had no memory left."
    return "killed", f"{sentence} from outside; no lack of memory was counted."


def _end(code: int | None) -> str:
    if code is None:
        return "ended, and how is not known"
    if code < 0:
        return f"crashed in compiled code with {_signal(-code)}"
    return f"ended with exit code {code}"


def _sign(text: str) -> tuple[str, str]:
    """The likeliest cause that a text names, with the last line that does."""
    lines = [line.strip() for line in reversed(text.splitlines())]
    for kind, pattern in SIGNS:
        found = (line for line in lines if re.search(pattern, line, re.IGNORECASE))
        if line := next(found, ""):
            return kind, line[:LONGEST]
    return "", ""


def _refusal(text: str) -> tuple[str, str]:
    last = (text.splitlines() or [""])[-1].strip()
    words = last.removeprefix("error: ")
    return ("configuration", words[:LONGEST]) if words != last else ("", "")
