"""A small table of a few measures below the chart that they sum up."""

from collections.abc import Mapping, Sequence

import streamlit as st

from calibration import MEASURES
from ui.components.formats import plain
from ui.views.compare.comparison import name_of
from ui.views.compare.groups import Entry, datasets
from ui.views.compare.table import Row, cell, number, title

Found = Sequence[tuple[Entry, Sequence[Mapping[str, float]]]]


def measures_table(names: Sequence[str], found: Found) -> None:
    """Show measures of entries, the best one bold.

    Args:
        names: Of `calibration.MEASURES`.
        found: Entries with the measures of their runs.
    """
    lines = {"Entry": [name_of(entry) for entry, _ in found]}
    for name in names:
        row = measure_row(name, found)
        lines[title((name, ""))] = [
            cell(name, each, best=place == row.best, of=len(entry.views))
            for place, (each, (entry, _)) in enumerate(
                zip(row.numbers, found, strict=True)
            )
        ]
    st.table(lines, border="horizontal", hide_index=True,
             alt="The measures of each entry")  # fmt: skip
    told = [f"{title((n, ''))}: {plain(MEASURES[n].sentence)}" for n in names]
    st.caption("  \n".join(told))


def measure_row(name: str, found: Found) -> Row:
    """One measure of all entries, means over seeds of families."""
    runs = [[{(name, ""): each[name]} for each in several] for _, several in found]
    families = [entry.is_family for entry, _ in found]
    numbers = [
        number(each, (name, ""), family=family)
        for each, family in zip(runs, families, strict=True)
    ]
    ranked = len(datasets([entry for entry, _ in found])) < 2
    return Row((name, ""), numbers, ranked=ranked)
