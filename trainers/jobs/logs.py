"""Logs of a run over several starts: each has its own last words."""

import time
from pathlib import Path

from trainers.runs import Run, log_tail

RESUMED = "==== Started again at "
TAIL_LINES = 20


def begin_logs(run: Run) -> None:
    """Mark in the logs of earlier starts that another one begins."""
    run.log.parent.mkdir(exist_ok=True)
    line = f"\n{RESUMED}{time.strftime('%Y-%m-%d %H:%M:%S')}\n"
    for log in run.log.parent.glob("*.log"):
        if log.name != "supervisor.log" and log.stat().st_size:
            with log.open("a", encoding="utf-8") as file:
                file.write(line)


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
