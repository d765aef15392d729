"""How long a run was at work, without the pauses between a stop and a resume."""

import json
from contextlib import suppress
from typing import Any

from trainers.runs import Run, read_metrics
from trainers.status import Status
from ui.components.latest import Latest, bytes_before, stamp_of
from ui.components.reading import Summary
from ui.components.series import unbroken, value

START = 60.0  # seconds in which the processes of one start come up, ranks after others
TAIL = 2**13  # bytes; the newest rows, of a deep network one row
_trained: Latest[float] = Latest()


def worked(view: Summary) -> float | None:
    """Seconds that a run was at work so far, evaluation included.

    Args:
        view: The run.

    Returns:
        From its start to its end or last sign of life. Of a run that was resumed, the
        time of its training, which its rows carry on, and what came after it since;
        None before it starts.
    """
    status = view.status
    if status is None or status.started is None:
        return None
    until = status.ended or status.heartbeat or status.started
    if not was_resumed(status) or status.trainer is None:
        return max(0.0, until - status.started)
    # A copied folder may have newer files: then the time of the training alone is left.
    after = max(status.trainer.started, stamp_of(view.run.metrics)[0] / 1e9)
    return _training(view.run, status.trainer.started) + max(0.0, until - after)


def was_resumed(status: Status) -> bool:
    """Whether the process of a run is too young to have begun it.

    One that was resumed within a minute of its start is not told from one of several
    ranks, whose launcher began it; its pause was as short.
    """
    if status.started is None or status.trainer is None:
        return False
    return status.trainer.started > status.started + START


def _training(run: Run, resumed: float) -> float:
    """Seconds of training as the newest row tells.

    Trainings of early versions began to count anew when they were resumed: where the
    row tells no more than the time since then, all rows are read.
    """
    stamp = stamp_of(run.metrics)
    known = _trained.get(run.metrics, stamp)
    if known is not None:
        return known
    seconds = _newest_seconds(run, stamp[1])
    if seconds <= stamp[0] / 1e9 - resumed:
        rows = unbroken(read_metrics(run)[0])
        seconds = max((_seconds(row) for row in rows[-1:]), default=0.0)
    return _trained.put(run.metrics, stamp, seconds)


def _newest_seconds(run: Run, size: int) -> float:
    """`seconds` of the last whole row among the first bytes of the file."""
    reach = TAIL
    while True:
        content = bytes_before(run.metrics, size, reach)
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        for line in reversed(lines if reach >= size else lines[1:]):
            with suppress(ValueError):
                if isinstance(row := json.loads(line), dict):
                    return _seconds(row)
        if reach >= size:
            return 0.0
        reach *= 8


def _seconds(row: dict[str, Any]) -> float:
    return max(0.0, value(row.get("seconds")) or 0.0)
