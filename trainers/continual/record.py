"""continual.json: what was learned so far, and what is left of it. Torch-free.

Accuracies are a triangle by method: row t, written when task t has been learned, holds
the accuracy on tasks 0 ... t in that order.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from trainers.annotations import Annotations, write_annotations
from trainers.continual.settings import ContinualSettings
from trainers.runs import Run, RunError, is_there, new_run, read_json, write_json

SCHEMA, TAG = 1, "continual"
Triangle = tuple[tuple[float, ...], ...]


def record_path(run: Run) -> Path:
    """Where a run's record is."""
    return run.path / "continual.json"


def is_continual(run: Run) -> bool:
    """Whether a run learns tasks one after another."""
    return is_there(record_path(run))


def average_accuracy(row: Sequence[float]) -> float:
    """Mean accuracy on the tasks learned so far, a row of the triangle."""
    return sum(row) / len(row)


def forgetting(accuracy: Triangle) -> float | None:
    """Accuracy lost since each task was learned, averaged over all but the last task.

    The negative of backward transfer (Lopez-Paz and Ranzato, 2017); below 0 where later
    tasks helped earlier ones.

    Args:
        accuracy: The triangle.

    Returns:
        None before the second task.
    """
    if len(accuracy) < 2:
        return None
    *earlier, last = accuracy
    lost = [row[-1] - now for row, now in zip(earlier, last, strict=False)]
    return sum(lost) / len(lost)


def just_learned(accuracy: Triangle) -> float:
    """Accuracy on each task right after it was learned, averaged: what was learned."""
    return sum(row[-1] for row in accuracy) / len(accuracy)


@dataclass(frozen=True, kw_only=True)
class Course:
    """How one method fared.

    Args:
        accuracy: The triangle, as far as it is known.
        seconds: Time for each of these tasks, its tests included.
    """

    accuracy: Triangle = ()
    seconds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        lengths = [len(row) for row in self.accuracy]
        if lengths != list(range(1, len(lengths) + 1)):
            raise ValueError(f"accuracy must be a triangle, got rows of {lengths}.")
        if len(self.seconds) != len(lengths):
            raise ValueError(
                f"seconds must be {len(lengths)} numbers, got {len(self.seconds)}."
            )
        if not all(0 <= value <= 1 for row in self.accuracy for value in row):
            raise ValueError("accuracy must be in [0, 1].")
        if not all(0 <= value < math.inf for value in self.seconds):
            raise ValueError("seconds must be >= 0.")

    @property
    def num_tasks(self) -> int:
        """Tasks learned."""
        return len(self.accuracy)

    @property
    def averages(self) -> list[float]:
        """Average accuracy after each task."""
        return [average_accuracy(row) for row in self.accuracy]

    def and_then(self, row: Sequence[float], seconds: float) -> Self:
        """The course with one more task."""
        return replace(
            self,
            accuracy=(*self.accuracy, tuple(row)),
            seconds=(*self.seconds, seconds),
        )


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of a run.

    Args:
        settings: Of the run.
        courses: By method, for all methods of the settings.
        num_test: Images that each accuracy is measured on; 0 before the first.
    """

    settings: ContinualSettings
    courses: Mapping[str, Course] = field(default_factory=dict)
    num_test: int = 0

    def __post_init__(self) -> None:
        known = {
            name: self.courses.get(name, Course()) for name in self.settings.methods
        }
        if extra := set(self.courses) - set(known):
            raise ValueError(f"methods must be those of the settings, got {extra}.")
        if any(each.num_tasks > self.settings.tasks for each in known.values()):
            raise ValueError(
                f"accuracy must be of {self.settings.tasks} tasks at most."
            )
        object.__setattr__(self, "courses", known)

    @property
    def is_complete(self) -> bool:
        """Whether every method has learned every task."""
        return all(c.num_tasks == self.settings.tasks for c in self.courses.values())

    def and_then(self, method: str, row: Sequence[float], seconds: float) -> Self:
        """The record with one more task of a method."""
        course = self.courses[method].and_then(row, seconds)
        return replace(self, courses={**self.courses, method: course})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-ready data, with what follows from it."""
        return {
            "schema": SCHEMA,
            "settings": self.settings.to_dict(),
            "num_test": self.num_test,
            "methods": {name: _told(each) for name, each in self.courses.items()},
        }


def _told(course: Course) -> dict[str, Any]:
    return {
        "accuracy": [list(row) for row in course.accuracy],
        "seconds": list(course.seconds),
        "average_accuracy": course.averages,
        "forgetting": forgetting(course.accuracy),
    }


def write_record(run: Run, record: Record) -> None:
    """Replace a run's record."""
    write_json(record_path(run), record.to_dict())


def read_record(run: Run) -> Record:
    """Read a run's record; what follows from the accuracies is computed anew.

    Raises:
        RunError: If there is none, or it is damaged.
    """
    path = record_path(run)
    content = read_json(path)
    try:
        return _record(content)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise RunError(f"{path} is no record of tasks: {error}") from None


def _record(content: Mapping[str, Any]) -> Record:
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}, got {content['schema']!r}.")
    return Record(
        settings=ContinualSettings.from_dict(content["settings"]),
        courses={name: _course(each) for name, each in content["methods"].items()},
        num_test=int(content["num_test"]),
    )


def _course(content: Mapping[str, Any]) -> Course:
    rows = content["accuracy"]
    return Course(
        accuracy=tuple(tuple(float(value) for value in row) for row in rows),
        seconds=tuple(float(value) for value in content["seconds"]),
    )


def new_continual_run(
    settings: ContinualSettings, code_version: str, path: Path | None = None
) -> Run:
    """Create a run folder that holds its configuration and settings.

    Args:
        settings: What will be run.
        code_version: Version of the code.
        path: The folder; by default a new one among all runs.

    Returns:
        The new run.

    Raises:
        RunError: If the folder is in use, or cannot be made.
    """
    run = new_run(settings.config(), code_version, path)
    write_annotations(run, Annotations(tags=(TAG,)))  # to be known by in lists
    write_record(run, Record(settings=settings))
    return run
