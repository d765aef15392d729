"""Tables to download as CSV, of which a spreadsheet runs no formulas."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

# A spreadsheet takes a text that begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """A table as a file.

    Args:
        head: Names of the columns.
        rows: Cells in that order: numbers, texts, and None for an empty one.

    Returns:
        The file, in UTF-8 with its mark, without which Excel reads another encoding.
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([safe(name) for name in head])
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return written.getvalue().encode("utf-8-sig")


def safe(content: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers stay as they are."""
    if isinstance(content, str) and content.startswith(_FORMULA):
        return f"'{content}"
    return content
