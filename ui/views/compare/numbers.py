"""The tab of all numbers, and of whether their differences are more than chance."""

from collections.abc import Sequence

import streamlit as st

from calibration import MEASURES
from calibration.report import written
from ui.components.formats import count, plain
from ui.components.labels import data_title
from ui.views.compare import table
from ui.views.compare.comparison import Comparison, name_of, told_missing
from ui.views.compare.costs import facts, resumed
from ui.views.compare.groups import Entry
from ui.views.compare.measured import gathered, known, scores
from ui.views.compare.verdicts import differences


def render(comparison: Comparison) -> None:
    """Show the table of headlines, the differences, and all measures."""
    entries = comparison.entries
    _, missing = gathered(entries, scores)
    found = table.rows(entries)
    if found:
        _overview(entries, found)
        told_missing(missing)
        differences(comparison)
        _everything(entries, found)
    else:
        told_missing(missing)
        st.info(
            "Numbers appear when a run has been evaluated, after its last epoch.",
            icon=":material/hourglass_empty:",
        )
    _costs(entries)


def _overview(entries: Sequence[Entry], found: Sequence[table.Row]) -> None:
    rows = table.headline(found)
    st.markdown("### At a glance")
    lines: dict[str, list[str]] = {"Entry": [name_of(entry) for entry in entries]}
    for row in rows:
        lines[table.title(row.key, data_title(row.key[1]))] = _cells(row, entries)
    st.table(lines, border="horizontal", hide_index=True,
             alt="The headline numbers of each entry")  # fmt: skip
    st.caption(" ".join(_meanings(entries, found)))


def _meanings(entries: Sequence[Entry], found: Sequence[table.Row]) -> list[str]:
    told = ["The arrow says which way is better."]
    if any(row.best is not None for row in found):
        told.append("The best is **bold**.")
    if any(not entry.is_family for entry in entries):
        told.append("In parentheses: 95 % interval over test examples.")
    if any(entry.is_family for entry in entries):
        told.append("± is one standard deviation over the seeds.")
    evaluated = [known(view, scores) for entry in entries for view in entry.views]
    sizes = {each.num_examples for each in evaluated if each}
    told.append(f"N = {' or '.join(map(count, sorted(sizes)))} test examples.")
    return told


def _cells(row: table.Row, entries: Sequence[Entry]) -> list[str]:
    return [
        table.cell(row.key[0], number, best=place == row.best, of=len(entry.views))
        for place, (number, entry) in enumerate(zip(row.numbers, entries, strict=True))
    ]


def _everything(entries: Sequence[Entry], found: Sequence[table.Row]) -> None:
    with st.expander("All measures", icon=":material/table_rows:"):
        lines = {"Measure": [table.title(r.key, data_title(r.key[1])) for r in found]}
        for place, entry in enumerate(entries):
            lines[name_of(entry)] = [_cells(row, entries)[place] for row in found]
        st.table(lines, border="horizontal", hide_index=True,
                 alt="All measures of each entry")  # fmt: skip
        st.download_button(
            "CSV", table.metrics_csv(entries, found), file_name="comparison.csv",
            mime="text/csv", on_click="ignore", icon=":material/download:",
            key="compare_csv", help="All measures with their intervals.",
        )  # fmt: skip
    with st.expander("What the measures are", icon=":material/help:"):
        names = dict.fromkeys(row.key[0] for row in found)
        told = [(written.title(n), plain(MEASURES[n].sentence)) for n in names]
        st.markdown("\n".join(f"- **{title}**: {sentence}" for title, sentence in told))


def _costs(entries: Sequence[Entry]) -> None:
    st.markdown("### What it cost")
    told = [facts(entry) for entry in entries]
    lines = {"Entry": [name_of(entry) for entry in entries]}
    for name in told[0]:
        lines[name] = [each[name] for each in told]
    st.table(lines, border="horizontal", hide_index=True,
             alt="Time, epochs, samples and examples of each entry")  # fmt: skip
    pauses = ", pauses before a resume left out" if resumed(entries) else ""
    st.caption(
        f"Total time is from the start to the end, with evaluation{pauses}; seconds "
        "per epoch are those of training and validation. Of a family, means over "
        "seeds. Times compare only where the machine was the same, and as busy."
    )
