"""One column of the table of runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ui.components.reading import Summary

Kind = Literal[
    "state", "progress", "curve", "text", "tags", "number", "whole", "percent", "time",
    "setting",
]  # fmt: skip


@dataclass(frozen=True)
class Column:
    """Something that can be told of each run.

    Args:
        id: Its name in the address and in the CSV.
        title: Its name on the page; each column has another one.
        value: What it is for a run, as the CSV has it; None for nothing.
        kind: How the table draws it.
        width: Pixels.
        help: What stands behind its title, "" for nothing.
        format: Of a number, as sprintf has it.
    """

    id: str
    title: str
    value: Callable[[Summary], Any]
    kind: Kind = "text"
    width: int = 120
    help: str = ""
    format: str = ""
