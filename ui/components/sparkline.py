"""The course of a run in a few numbers, for a chart as small as a cell of a table.

It is the validation NLL by epoch; as long as there are not two of those, the training
loss. A metrics.jsonl may be long: each call reads what was added since the last one,
and parses the few lines that it needs.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from trainers.runs import Run
from ui.components.formats import number
from ui.components.latest import ABSENT, Latest, Stamp, bytes_before, stamp_of

NUM_POINTS = 32
CHUNK = 1 << 20  # bytes read at a time
VALIDATION, TRAINING = "validation_nll", "train_loss"


class Course:
    """What was read so far of one file."""

    def __init__(self) -> None:
        self._lock = Lock()  # one for all sessions
        self._end = b""  # what is before the place where it stands
        self._begin(-1)

    def follow(self, path: Path, stamp: Stamp) -> list[float]:
        """Read on, and return the few numbers."""
        with self._lock:
            is_same = stamp[2] == self._file
            if not is_same or bytes_before(path, self._offset) != self._end:
                self._begin(stamp[2])  # replaced, as a resume does
            with suppress(OSError):
                for lines in self._new_lines(path):
                    self._take(lines)
            self._end = bytes_before(path, self._offset)
            enough = len(self._validation) > 1
            values = self._validation if enough else self._training
            return [values[k] for k in spread(len(values), NUM_POINTS)]

    def _begin(self, file: int) -> None:
        self._file, self._offset, self._end = file, 0, b""
        self._validation: list[float] = []
        self._training: list[float] = []
        self._stride, self._skipped = 1, 0

    def _new_lines(self, path: Path) -> Iterator[list[bytes]]:
        """The whole lines that were added, a chunk at a time."""
        with path.open("rb") as file:
            file.seek(self._offset)
            rest = b""
            while chunk := file.read(CHUNK):
                whole, _, rest = (rest + chunk).rpartition(b"\n")
                self._offset = file.tell() - len(rest)
                yield whole.splitlines()

    def _take(self, lines: Sequence[bytes]) -> None:
        # Most lines are steps, of which few are wanted: parsing all takes too long.
        marks = f'"{VALIDATION}"'.encode(), b'"step"'
        for line in lines:
            if marks[0] in line:
                self._validation += _value(line, VALIDATION)
            elif marks[1] in line:
                self._sample(line)

    def _sample(self, line: bytes) -> None:
        """Take one training loss of so many, ever fewer as the run grows."""
        if len(self._validation) > 1:
            return
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self._training += _value(line, TRAINING)
        if len(self._training) >= 4 * NUM_POINTS:
            self._training = self._training[1::2]
            self._stride *= 2


def spread(size: int, count: int) -> list[int]:
    """At most `count` places in a list, evenly apart, the first and the last kept."""
    if size <= count:
        return list(range(size))
    return [k * (size - 1) // (count - 1) for k in range(count)]


_courses: Latest[Course] = Latest()
_known: Latest[list[float]] = Latest()
_NO_STAMP: Stamp = (-1, -1, -1)  # a course outlives the stamps of its file


def sparkline(run: Run, *, read: bool = True) -> list[float] | None:
    """The course of a run.

    Args:
        run: The run.
        read: Whether to read the file if it never was; what it has grown by since is
            always read.

    Returns:
        At most `NUM_POINTS` numbers; None if the file would have to be read and shall
        not be.
    """
    stamp = stamp_of(run.metrics)
    if stamp == ABSENT:
        return []
    known = _known.get(run.metrics, stamp)
    if known is not None:
        return known
    course = _courses.get(run.metrics, _NO_STAMP)
    if course is None and not read:
        return None
    if course is None:
        course = _courses.put(run.metrics, _NO_STAMP, Course())
    return _known.put(run.metrics, stamp, course.follow(run.metrics, stamp))


def _value(line: bytes, key: str) -> list[float]:
    """The value of a key in a line of JSON, in a list; [] where it is no number."""
    with suppress(ValueError, OverflowError):
        row = json.loads(line)
        value: Any = row.get(key) if isinstance(row, dict) else None
        if number(value):
            return [float(value)]
    return []
