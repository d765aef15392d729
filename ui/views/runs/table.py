"""The table of runs: its rows, its columns, and which of them are worth a place."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from streamlit import column_config as column

from data import DATASETS
from trainers.catalogue import model_spec, optimizer_spec
from trainers.sweep import differing, label
from ui.components.reading import Summary
from ui.components.states import LOOKS, QUEUED_COLOR, state_label

# Shown only where a run has something to say in them.
_OPTIONAL = ("Differs in", "Group", "Priority", "Progress", "Accuracy", "NLL", "ECE")


def rows(views: Sequence[Summary], compared: bool = False) -> list[dict[str, Any]]:
    """The lines of the table.

    Args:
        views: The runs.
        compared: Whether to say in what they differ from one another.
    """
    configs = [view.config for view in views if view.config is not None]
    names = differing(configs) if compared else []
    return [row(view, names) for view in views]


def row(view: Summary, names: Sequence[str] = ()) -> dict[str, Any]:
    """One line of the table.

    Args:
        view: The run.
        names: The settings in which it differs from the others.
    """
    config, status, job = view.config, view.status, view.job
    total = status.total_steps if status else 0
    accuracy = view.metrics.get("accuracy")
    return {
        "Open": "Open",
        "Run": view.run.id,
        "State": [state_label(view.state, view.position)],
        "Progress": round(min(1.0, status.step / total), 2)
        if status and total > 0
        else None,
        "Differs in": label(config, names) if config else None,
        "Group": view.group,
        "Priority": job.priority if job and view.position is not None else None,
        "Dataset": DATASETS[config.dataset.name].title if config else None,
        "Model": model_spec(config.model.name).title if config else None,
        "Optimizer": optimizer_spec(config.optimizer.name).title if config else None,
        "Accuracy": None if accuracy is None else 100 * accuracy,
        "NLL": view.metrics.get("nll"),
        "ECE": view.metrics.get("ece"),
        "Launched": datetime.fromtimestamp(status.created, UTC) if status else None,
        "Note": view.problem or (job.reason if job else ""),
    }


def shown(lines: Sequence[dict[str, Any]], but: Collection[str] = ()) -> list[str]:
    """The columns that have something to show, in their order.

    Args:
        lines: The table.
        but: Columns that are not wanted.
    """
    first = lines[0] if lines else {}
    told = {name for line in lines for name, value in line.items() if value}
    kept = [name for name in first if name in told or name not in _OPTIONAL]
    return [name for name in kept if name not in but]


def columns(lines: Sequence[dict[str, Any]], open_key: str) -> dict[str, Any]:
    """How each column is drawn.

    Args:
        lines: The table.
        open_key: Key of the buttons that open a run.
    """
    fixed = {look.label: look.color for look in LOOKS.values()}
    places = {line["State"][0] for line in lines} - set(fixed)
    colors = fixed | dict.fromkeys(sorted(places), QUEUED_COLOR)
    return {
        "Open": column.ButtonColumn("", type="tertiary", key=open_key, width=70),
        "Run": column.TextColumn(width=190, help="The folder's name, by time."),
        "State": column.MultiselectColumn(
            options=list(colors), color=list(colors.values()), width=110
        ),
        "Progress": column.ProgressColumn(format="percent", width=110),
        "Differs in": column.TextColumn(
            width=200, help="The settings that tell the runs of this group apart."
        ),
        "Group": column.TextColumn(width=150, help="The runs of one race or sweep."),
        "Priority": column.NumberColumn(width=75, help="Larger goes first."),
        "Accuracy": column.NumberColumn(format="%.1f %%", width=85),
        "NLL": column.NumberColumn(format="%.3f", width=70, help="In nats."),
        "ECE": column.NumberColumn(format="%.4f", width=75),
        "Launched": column.DatetimeColumn(format="distance", width=120),
        "Note": column.TextColumn(width="large"),
    }
