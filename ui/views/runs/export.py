"""The table of runs as a file: every chosen column, for a spreadsheet or a script."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from ui.components.reading import Summary
from ui.views.runs.column import Column
from ui.views.runs.table import is_number, word

BETWEEN = "; "  # several values of one cell
# A spreadsheet takes a text that begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(views: Sequence[Summary], columns: Sequence[Column]) -> bytes:
    """A line a run and a column each; shares as fractions, times in UTC.

    Args:
        views: The runs.
        columns: The columns beside the run's id.

    Returns:
        The file, in UTF-8 with its mark, without which Excel reads another encoding.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *(guarded(column.id) for column in columns)])
    for view in views:
        values = (column.value(view) for column in columns)
        writer.writerow([guarded(view.run.id), *(cell(value) for value in values)])
    return text.getvalue().encode("utf-8-sig")


def cell(value: Any) -> Any:
    """A value as a cell; nothing as an empty one."""
    if value is None or is_number(value):
        return value
    if isinstance(value, list | tuple):
        return guarded(BETWEEN.join(word(each) for each in value))
    return guarded(word(value))


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
