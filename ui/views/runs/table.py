"""The table of runs as the page draws it: an Arrow table, and how each column looks.

Arrow tables go to the browser as they are; anything else would pass through pandas.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from streamlit import column_config as config

from ui.components.reading import Summary
from ui.components.states import LOOKS, QUEUED_COLOR, state_label
from ui.views.runs.column import Column
from ui.views.runs.columns import ALWAYS, DEFAULT

OPEN, RUN = "Open", "Run"  # the columns that are always there
_TYPES: dict[str, pa.DataType] = {
    "state": pa.list_(pa.string()),
    "progress": pa.float32(),
    "curve": pa.list_(pa.float32()),
    "text": pa.string(),
    "tags": pa.list_(pa.string()),
    "number": pa.float64(),
    "whole": pa.int64(),
    "percent": pa.float64(),
    "time": pa.timestamp("ms", tz="UTC"),
}


def chosen(
    known: Mapping[str, Column],
    wanted: Sequence[str] | None,
    views: Sequence[Summary],
    but: Collection[str] = (),
) -> list[Column]:
    """The columns to show.

    Args:
        known: All that there are.
        wanted: Ids in their order; None for the default ones that have something to
            say.
        views: The runs.
        but: Ids of default ones that are not wanted.
    """
    if wanted is not None:
        return [known[name] for name in wanted if name in known]
    first = [known[name] for name in DEFAULT if name in known and name not in but]
    return [
        column
        for column in first
        if column.id in ALWAYS or any(_tells(column, view) for view in views)
    ]


def _tells(column: Column, view: Summary) -> bool:
    value = column.value(view)
    # That all is done is told by the state.
    return value < 1.0 if column.id == "progress" and value else bool(value)


def arrow(views: Sequence[Summary], columns: Sequence[Column]) -> pa.Table:
    """The table, a row a run."""
    content = {
        OPEN: pa.array(["Open"] * len(views), pa.string()),
        RUN: pa.array([view.run.id for view in views], pa.string()),
    }
    return pa.table(
        content | {column.title: _cells(column, views) for column in columns}
    )


def _cells(column: Column, views: Sequence[Summary]) -> pa.Array:
    if column.kind == "state":
        labels = [[state_label(view.state, view.position)] for view in views]
        return pa.array(labels, _TYPES["state"])
    values = [column.value(view) for view in views]
    if column.kind == "setting":
        return _settings(values)
    if column.kind == "percent":
        values = [None if value is None else 100 * value for value in values]
    if column.kind == "text":
        values = [None if value is None else _one_line(value) for value in values]
    return pa.array(values, _TYPES[column.kind])


def _settings(values: Sequence[Any]) -> pa.Array:
    """Numbers if all are, so that they sort as such; else words."""
    if all(is_number(value) for value in values if value is not None):
        return pa.array(values, pa.float64())
    return pa.array([None if value is None else word(value) for value in values])


def is_number(value: Any) -> bool:
    """Whether a value is a number and no switch."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def word(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(value: Any) -> str:
    return " ".join(word(value).split())


def drawn(
    views: Sequence[Summary], columns: Sequence[Column], open_key: str
) -> dict[str, Any]:
    """How each column is drawn, by title.

    Args:
        views: The runs.
        columns: The columns.
        open_key: Key of the buttons that open a run.
    """
    return {
        OPEN: config.ButtonColumn(OPEN, type="tertiary", key=open_key, width=70),
        RUN: config.TextColumn(width=190, help="The folder's name, by time."),
    } | {column.title: _look(column, views) for column in columns}


def _look(column: Column, views: Sequence[Summary]) -> Any:
    about: dict[str, Any] = {"width": column.width, "help": column.help or None}
    if column.kind == "state":
        fixed = {look.label: look.color for look in LOOKS.values()}
        places = {state_label(view.state, view.position) for view in views}
        colors = fixed | dict.fromkeys(sorted(places - set(fixed)), QUEUED_COLOR)
        return config.MultiselectColumn(
            options=list(colors), color=list(colors.values()), **about
        )
    if column.kind == "setting":
        numbers = all(
            is_number(value)
            for value in map(column.value, views)
            if value is not None
        )  # fmt: skip
        return (
            config.NumberColumn(format="plain", **about)
            if numbers
            else config.TextColumn(**about)
        )
    if column.kind in ("number", "whole", "percent"):
        return config.NumberColumn(format=column.format or None, **about)
    return _OTHERS[column.kind](**about)


def _progress(**about: Any) -> Any:
    return config.ProgressColumn(format="percent", **about)


def _time(**about: Any) -> Any:
    return config.DatetimeColumn(format="distance", **about)


_OTHERS: dict[str, Any] = {
    "progress": _progress,
    "time": _time,
    "curve": config.LineChartColumn,
    "text": config.TextColumn,
    "tags": config.ListColumn,
}
