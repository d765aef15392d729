"""Logs of a run: bounded, and with its own last words for each of several starts."""

import os
import time
from pathlib import Path

from trainers.runs import Run, log_tail

RESUMED = "==== Started again at "
TAIL_LINES = 20
LOG_LIMIT = 64 * 2**20  # bytes of one log
LOG_KEPT = LOG_LIMIT // 4  # bytes left of one that grew longer


def begin_logs(run: Run) -> None:
    """Mark in the logs of earlier starts that another one begins."""
    run.log.parent.mkdir(exist_ok=True)
    line = f"\n{RESUMED}{time.strftime('%Y-%m-%d %H:%M:%S')}\n"
    for log in run.log.parent.glob("*.log"):
        if log.name != "supervisor.log" and log.stat().st_size:
            with log.open("a", encoding="utf-8") as file:
                file.write(line)


def shorten_logs(run: Run) -> None:
    """Drop the older part of logs that have grown too long, so that no disk fills.

    Who writes to them appends, and so goes on behind what is left. What is printed
    between the reading and the cutting, some milliseconds, is lost too.

    Raises:
        OSError: If the disk fails.
    """
    for log in run.log.parent.glob("*.log"):
        with log.open("r+b") as file:
            if os.fstat(file.fileno()).st_size > LOG_LIMIT:
                file.seek(-LOG_KEPT, os.SEEK_END)
                kept = file.read(LOG_KEPT)
                file.truncate(0)
                when = time.strftime("%Y-%m-%d %H:%M:%S")
                with log.open("ab") as end:
                    end.write(f"==== Older output was dropped at {when}\n".encode())
                    end.write(kept)


def last_words(run: Run, rank: int = 0) -> str:
    """The last lines that a rank printed since its last start.

    Args:
        run: The run.
        rank: Whose; torchrun's where it printed nothing.

    Returns:
        At most 20 lines.
    """
    log = run.log_of(rank)
    return tail_of(log) or tail_of(log.with_name("launcher.log"))


def tail_of(log: Path) -> str:
    """The last 20 lines of a log, of its last start only."""
    text = log_tail(log).rpartition(RESUMED)
    lines = text[2].splitlines()[1 if text[1] else 0 :]
    return "\n".join(lines[-TAIL_LINES:])
