"""The table of runs as a file: every chosen column, for a spreadsheet or a script."""

from collections.abc import Sequence
from typing import Any

from ui.components import csv_file
from ui.components.reading import Summary
from ui.views.runs.column import Column
from ui.views.runs.table import is_number, word

BETWEEN = "; "  # several values of one cell


def as_csv(views: Sequence[Summary], columns: Sequence[Column]) -> bytes:
    """A line a run and a column each; shares as fractions, times in UTC.

    Args:
        views: The runs.
        columns: The columns beside the run's id.

    Returns:
        The file, as `ui.components.csv_file` has it.
    """
    return csv_file.as_csv(
        ["run", *(column.id for column in columns)],
        ([view.run.id, *(cell(c.value(view)) for c in columns)] for view in views),
    )


def cell(value: Any) -> Any:
    """A value as a cell; nothing as an empty one."""
    if value is None or is_number(value):
        return value
    if isinstance(value, list | tuple):
        return BETWEEN.join(word(each) for each in value)
    return word(value)
