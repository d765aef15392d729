"""Runs in plain words: aligned columns that need no colour."""

from collections.abc import Iterable, Sequence

from trainers.config import RunConfig
from trainers.jobs.launcher import JobState
from trainers.status import QUEUED, Status
from trainers.sweep import label

TOLD = ("dataset", "optimizer")  # by `what` in any case


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of left-aligned columns below their titles.

    Args:
        titles: One a column.
        rows: As many cells a row; what would break the line is replaced.

    Returns:
        The lines, without blanks at their ends.
    """
    cells = [[" ".join(cell.split()) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def what(config: RunConfig, axes: Iterable[str] = ()) -> str:
    """What a run does, and how it differs from its siblings.

    Args:
        config: Its configuration.
        axes: Names of the settings in which its siblings differ.

    Returns:
        Such as "adamw on moons, seed 1".
    """
    rest = label(config, [name for name in axes if name not in TOLD])
    words = f"{config.optimizer.name} on {config.dataset.name}"
    return f"{words}, {rest}" if rest else words


def standing(state: JobState) -> str:
    """How a run stands in one or two words: "queued #3", "running"."""
    if state.status.state == QUEUED and state.position is not None:
        return f"{QUEUED} #{state.position}"
    return state.status.state


def progress(status: Status) -> str:
    """How far a run is: "120/500 (24 %)", "120/500 (24 %), evaluating"."""
    words = [status.phase] if status.phase not in ("", "training") else []
    if status.total_steps > 0:
        share = 100 * status.step / status.total_steps
        words.insert(0, f"{status.step}/{status.total_steps} ({share:.0f} %)")
    return ", ".join(words)
