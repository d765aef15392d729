"""What the table of runs can show: every number, setting and word of a run.

A column goes by an id, which stands in the address and heads the CSV.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from data import DATASETS
from trainers.catalogue import model_spec, optimizer_spec
from trainers.runs import Run, RunError
from trainers.sweep import label
from ui.components.durations import worked
from ui.components.reading import Summary
from ui.components.sparkline import sparkline
from ui.views.runs.column import Column
from ui.views.runs.measured import metrics, ood, settings

# In their order; those of which no run has anything to say are left out.
DEFAULT = (
    "state", "progress", "curve", "differs", "group", "priority", "accuracy", "nll",
    "ece", "dataset", "model", "optimizer", "tags", "created", "note", "message",
)  # fmt: skip
ALWAYS = frozenset({"state", "dataset", "model", "optimizer", "created"})


Course = Callable[[Run], "list[float] | None"]


def catalogue(
    views: Sequence[Summary], axes: Sequence[str] = (), course: Course = sparkline
) -> dict[str, Column]:
    """All columns that there are for some runs, by id.

    Args:
        views: The runs, which decide about the metrics and the settings.
        axes: The settings in which they differ, as `trainers.sweep.differing` has it.
        course: Reads the small curve of a run.
    """
    found = [*_fixed(axes, course), *metrics(views), *ood(views), *settings(views)]
    taken: set[str] = set()
    kept = {}
    for column in found:
        # A table knows its columns by their titles.
        if column.title not in taken and column.id not in kept:
            taken.add(column.title)
            kept[column.id] = column
    return kept


def _fixed(axes: Sequence[str], course: Course) -> list[Column]:
    return [*_standing(axes), *_what(course), *_of_people(), *_course_of_time()]


def _standing(axes: Sequence[str]) -> list[Column]:
    """How it stands, and among which others."""
    return [
        Column("state", "State", lambda view: view.state, "state", 110),
        Column("progress", "Progress", _progress, "progress", 110),
        Column(
            "differs", "Differs in", lambda view: _differs(view, axes), width=200,
            help="The settings that tell the runs of this group apart.",
        ),
        Column(
            "group", "Group", lambda view: view.group, width=145,
            help="The runs of one race or sweep.",
        ),
        Column(
            "priority", "Priority", _priority, "whole", 75, help="Larger goes first."
        ),
    ]  # fmt: skip


def _what(course: Course) -> list[Column]:
    """What was trained, and how its loss went."""
    return [
        Column("dataset", "Dataset", _dataset, width=115),
        Column("model", "Model", _model, width=95),
        Column("optimizer", "Optimizer", _optimizer, width=135),
        Column(
            "curve", "Loss", lambda view: course(view.run), "curve", 95,
            help="Validation NLL by epoch; the training loss before there are two "
            "epochs, or without a validation split. Each curve has a scale of its own.",
        ),
    ]  # fmt: skip


def _of_people() -> list[Column]:
    """What people say of it, when they launched it, and what it says itself."""
    return [
        Column("tags", "Tags", lambda view: view.annotations.tags, "tags", 140),
        Column("created", "Launched", lambda view: _when(view, "created"), "time", 115),
        Column(
            "note", "Note", lambda view: view.annotations.note, width=200,
            help="What people wrote about the run.",
        ),
        Column(
            "message", "Message", _message, width=400,
            help="What the run says of how it ended or what it waits for.",
        ),
        Column("archived", "Archived", lambda view: view.annotations.archived or None),
    ]  # fmt: skip


def _course_of_time() -> list[Column]:
    """How far it came, and how long that took."""
    return [
        Column("ended", "Ended", lambda view: _when(view, "ended"), "time"),
        Column(
            "minutes", "Minutes", _minutes, "number", 85, format="%.1f",
            help="From the first step to the end, or until now, evaluation included; "
            "pauses between a stop and a resume do not count.",
        ),
        Column("step", "Step", lambda view: _of(view, "step"), "whole", 80),
        Column(
            "total_steps", "Steps", lambda view: _of(view, "total_steps"), "whole", 80,
            help="Planned in all.",
        ),
        Column("phase", "Phase", lambda view: _of(view, "phase"), width=90),
        Column("failure", "Failure", lambda view: _of(view, "error_class"), width=110),
    ]  # fmt: skip


def _progress(view: Summary) -> float | None:
    status = view.status
    if status is None or status.total_steps <= 0:
        return None
    return round(min(1.0, status.step / status.total_steps), 2)


def _differs(view: Summary, axes: Sequence[str]) -> str | None:
    return label(view.config, axes) if view.config else None


def _priority(view: Summary) -> int | None:
    return view.job.priority if view.job and view.position is not None else None


def _dataset(view: Summary) -> str | None:
    return DATASETS[view.config.dataset.name].title if view.config else None


def _model(view: Summary) -> str | None:
    return model_spec(view.config.model.name).title if view.config else None


def _optimizer(view: Summary) -> str | None:
    return optimizer_spec(view.config.optimizer.name).title if view.config else None


def _message(view: Summary) -> str:
    return view.problem or (view.job.reason if view.job else "")


def _of(view: Summary, name: str) -> Any:
    """Something that the status says."""
    return getattr(view.status, name) if view.status else None


def _when(view: Summary, name: str) -> datetime | None:
    seconds = _of(view, name)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _minutes(view: Summary) -> float | None:
    try:
        seconds = worked(view)
    except (RunError, OSError):  # of a resumed run this reads what it logged
        return None
    return None if seconds is None else seconds / 60
