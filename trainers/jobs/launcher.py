"""What the pages and the command line ask of whatever runs jobs.

The engine of this machine (`trainers.jobs.local`) is the first that can; one that
hands jobs to an existing cluster can stand behind the same pages.
"""

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol, runtime_checkable

from trainers.config import RunConfig
from trainers.runs import Run
from trainers.status import Status

MAX_GROUP = 128  # characters
MAX_PRIORITY = 1_000_000


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A run as its launcher sees it.

    Args:
        status: Its status, with a state that can be believed.
        position: Place in the queue from 1, None for a run that is not queued.
        reason: Why a queued run waits, in a sentence; "" if nothing is known.
        group: The sweep that it belongs to, "" for none.
        priority: Larger goes first.
    """

    status: Status
    position: int | None = None
    reason: str = ""
    group: str = ""
    priority: int = 0


class Launcher(Protocol):
    """Runs jobs."""

    def submit(
        self,
        configs: Sequence[RunConfig],
        *,
        paths: Sequence[Path] | None = None,
        group: str = "",
        priority: int = 0,
    ) -> list[Run]:
        """Queue new runs, all or none, and return at once.

        Args:
            configs: What to run, first one first.
            paths: Their folders, which must be new or empty; by default new ones.
            group: A name that they share.
            priority: Larger goes first.

        Returns:
            The runs.

        Raises:
            RunError: If they cannot be queued.
            ValueError: If one can never run here.
        """

    def state(self, run: Run) -> JobState:
        """How a run stands; RunError if its folder is damaged."""

    def stop(self, run: Run) -> None:
        """Ask a run to stop, or take it from the queue; returns at once.

        Does nothing to one that has ended.
        """

    def logs(self, run: Run, num_bytes: int = 4000) -> str:
        """The end of what a run printed."""


@runtime_checkable
class Queue(Protocol):
    """A launcher whose queue can be looked at and arranged."""

    def queue(self) -> list[Run]:
        """The queued runs, next one first."""

    def move(self, run: Run, place: int) -> None:
        """Put a queued run at a place, counted from 1."""

    def set_priority(self, run: Run, priority: int) -> None:
        """Change a queued run's priority; larger goes first."""

    def pause(self) -> None:
        """Start nothing more; what runs goes on."""

    def unpause(self) -> None:
        """Start again."""

    @property
    def paused(self) -> bool:
        """Whether nothing is started."""


@runtime_checkable
class Archive(Protocol):
    """A launcher that keeps runs: they can be gone on with, listed and deleted."""

    def resume(self, run: Run) -> None:
        """Queue a stopped, failed or lost run again; it goes on from its checkpoint."""

    def states(self, runs: Iterable[Run]) -> dict[Run, JobState]:
        """How many runs stand; damaged ones are left out."""

    def delete(self, run: Run) -> None:
        """Remove a run that is not alive for good."""


def checked_group(group: str) -> str:
    """A name that a group may have.

    Raises:
        ValueError: If it is empty, too long, or has line breaks and the like.
    """
    text = isinstance(group, str) and group.isprintable()
    if not text or not group.strip() or len(group) > MAX_GROUP:
        raise ValueError(
            f"group must be a name of 1 to {MAX_GROUP} characters, got {group!r}."
        )
    return group


def checked_priority(priority: int | str) -> int:
    """A priority that a run may have, from a number or its text.

    Raises:
        ValueError: If it is none.
    """
    try:
        number = int(priority)
        valid = number == float(priority) and not isinstance(priority, bool)
    except (ValueError, TypeError, OverflowError):
        number, valid = 0, False
    if not valid or abs(number) > MAX_PRIORITY:
        raise ValueError(
            f"priority must be a whole number in [-{MAX_PRIORITY}, {MAX_PRIORITY}], "
            f"got {reprlib.repr(priority)}."
        )
    return number


def code_version() -> str:
    """The version of this code, noted in every run."""
    try:
        return metadata.version("vogn-app")
    except metadata.PackageNotFoundError:
        return "unknown"
