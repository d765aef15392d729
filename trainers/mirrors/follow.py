"""Follow a run to its end and feed its rows to a mirror."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from trainers.lines import Lines
from trainers.mirrors.leave import Leave
from trainers.mirrors.memory import Memory, alone, recall, remember
from trainers.mirrors.mirror import (
    Beginning,
    Ending,
    Mirror,
    Row,
    flat,
    headline,
    row_of,
)
from trainers.runs import Run, RunError, read_json
from trainers.status import (
    ENDED,
    LOST,
    QUEUED,
    STARTING,
    Status,
    observed,
)

POLL = 1.0  # seconds between two looks at the run
PATIENCE = 60.0  # seconds that a run may have no readable status
PORTION = 200  # rows that may be sent twice if the mirror is killed
WAITING = (QUEUED, STARTING)


def follow(
    run: Run, name: str, mirror: Mirror, leave: Leave, poll: float = POLL
) -> None:
    """Mirror a run until it has ended or it is time to leave.

    What an earlier process mirrored is not repeated, be the run resumed or the mirror
    started again. A run that has ended is mirrored as it is.

    Args:
        run: The run.
        name: The mirror's name, under which its memory is kept.
        mirror: Takes the rows; closed at the end.
        leave: Says when to leave.
        poll: Seconds between two looks at the run.

    Raises:
        RunError: If the run's configuration or the mirror's memory cannot be read.
    """
    with alone(run, name, leave) as is_ours:
        if not is_ours:
            return
        follower = Follower(run, name, mirror)
        try:
            while not follower.look() and not leave.requested:
                leave.pause(poll)
        finally:
            follower.close()


class Follower:
    """A mirror on its way along a run.

    Args:
        run: The run.
        name: The mirror's name.
        mirror: Takes the rows.

    Raises:
        RunError: If the configuration or the memory cannot be read.
    """

    def __init__(self, run: Run, name: str, mirror: Mirror) -> None:
        self._run, self._name, self._mirror = run, name, mirror
        self._parameters = flat(read_json(run.config))
        self._memory = recall(run, name)
        self._watch = Watch(run)
        self._lines = Lines(run.metrics)
        self._begun = False

    def look(self) -> bool:
        """Mirror what is new; whether the run has ended and all of it is mirrored."""
        # Before the rows: none is written after the end.
        status = self._watch.status()
        if status.state in WAITING:
            return False
        if not self._begun:
            if _is_told(status, self._memory):
                return True
            self._begin(status)
        self._send_rows()
        if status.state in ENDED:
            self._finish(status)
            return True
        return False

    def close(self) -> None:
        """Let go of the run's file and of the tracker."""
        self._lines.close()
        self._mirror.close()

    def _begin(self, status: Status) -> None:
        started = self._memory.started or status.started or status.created
        known = self._memory.tracker_id
        known = self._mirror.start(Beginning(started, self._parameters, known))
        self._begun = True
        self._note(tracker_id=known, started=started, ended=None)

    def _send_rows(self) -> None:
        assert self._memory.started is not None, "only what has begun sends"
        rows = new_rows(decoded(self._lines.read()), self._memory)
        for start in range(0, len(rows), PORTION):
            portion = rows[start : start + PORTION]
            self._mirror.log(portion)
            self._note(step=portion[-1].step, kind=portion[-1].kind)

    def _finish(self, status: Status) -> None:
        ended = status.ended or time.time()
        step, values = max(0, self._memory.step), _results(self._run)
        ending = Ending(status.state, ended, step, status.message, values)
        self._mirror.finish(ending)
        self._note(ended=status.ended)

    def _note(self, **changes: Any) -> None:
        memory = replace(self._memory, **changes)
        self._memory = remember(self._run, self._name, memory)


class Watch:
    """The state of a run, also where its status cannot be read.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen = run.config.stat().st_mtime  # a run begins with its configuration

    def status(self) -> Status:
        """What is observed; `starting` while a status may come, else `lost`."""
        try:
            status = observed(self._run)
        except RunError:
            return Status(state=self._guess(), created=self._seen)
        self._seen = time.time()
        return status

    def _guess(self) -> str:
        recent = time.time() - self._seen < PATIENCE
        return STARTING if recent and self._run.config.exists() else LOST


def decoded(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The rows that lines of metrics.jsonl hold; damaged ones are passed over."""
    rows = []
    for line in lines:
        with suppress(ValueError, RecursionError):
            rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict)]


def new_rows(raw: Iterable[dict[str, Any]], memory: Memory) -> list[Row]:
    """The rows that come after the last mirrored one.

    Places decide, not offsets in the file: a resumed run cuts its rows back and writes
    some again.

    Args:
        raw: Decoded lines of metrics.jsonl.
        memory: What is mirrored so far, and when the run started.

    Returns:
        Those rows that have anything to tell.
    """
    rows = (row_of(each, memory.started or 0.0) for each in raw)
    told = [row for row in rows if row and row.values]
    return [row for row in told if row.position > memory.position]


def _is_told(status: Status, memory: Memory) -> bool:
    """Whether an earlier process mirrored this very end."""
    return status.state in ENDED and memory.ended == status.ended is not None


def _results(run: Run) -> dict[str, float]:
    try:
        return headline(read_json(run.evaluation))
    except RunError:
        return {}  # the run never came so far
