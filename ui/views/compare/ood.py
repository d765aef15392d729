"""The tab of how well inputs of another kind are told apart."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from trainers.runs import Run
from ui.components.formats import count, plain
from ui.components.labels import data_title
from ui.components.notes import notes_of
from ui.components.plot import panel
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.groups import Entry
from ui.views.compare.judged import Detection, detection, offered, ood_sets
from ui.views.compare.measured import gathered
from ui.views.compare.measures import measures_table
from ui.views.compare.overlays import roc, roc_alt

SET, SCORE = "compare_ood", "compare_score"


def render(comparison: Comparison) -> None:
    """Show the ROC curves on one out-of-distribution set."""
    runs = [view.run for entry in comparison.entries for view in entry.views]
    chosen = _chosen(runs)
    if chosen is None:
        st.info(
            "None of these was evaluated on an out-of-distribution set.",
            icon=":material/info:",
        )
        return
    name, score, by = chosen
    found, missing = gathered(
        comparison.entries, lambda run: detection(run, name, score)
    )
    if found:
        title = data_title(name)
        panel(
            f"Telling {plain(title)} apart", roc(found), key="compare-roc",
            alt=roc_alt(found, title),
            note=f"{plain(by)}, against {_counts(found)} examples of "
            f"{plain(title)}. Nearer the upper left is better."
            f"{comparison.bands}",
            revision=f"{comparison.revision} {name} {score}",
        )  # fmt: skip
        measures_table(
            ("auroc", "fpr95"),
            [(entry, [each.measures for each in several]) for entry, several in found],
        )
    told_missing(missing)
    for note, names in _notes([each for each, _ in found]).items():
        who = ", ".join(f"**{plain(each)}**" for each in names)
        st.caption(f":material/info: {who}: {plain(note)}")


def _notes(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """What evaluations say of their own limits, with the entries that it is true of."""
    said: dict[str, list[str]] = {}
    for entry in entries:
        for note in dict.fromkeys(n for v in entry.views for n in notes_of(v.run)):
            said.setdefault(note, []).append(entry.name)
    return said


def _chosen(runs: Sequence[Run]) -> tuple[str, str, str] | None:
    """Ask for a set and a score; its key and its title. None where there is no set."""
    held = Counter(name for run in runs for name in ood_sets(run))
    if not held:
        return None
    names = [name for name, _ in held.most_common()]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.selectbox(
            "Out-of-distribution set", names, key=SET, bind="query-params", width=260,
            format_func=data_title,
        )  # fmt: skip
        name = name if name in held else names[0]
        titles = offered(runs, name)
        if not titles:
            return None
        score = st.selectbox(
            "Score", list(titles), key=SCORE, bind="query-params", width=280,
            format_func=lambda each: titles[each],
            help="What is larger for examples that look out of distribution. Distances "
            "are in the features before the last layer, fitted to training examples.",
        )  # fmt: skip
    score = score if score in titles else next(iter(titles))
    return name, score, titles[score]


def _counts(found: Sequence[tuple[Entry, Sequence[Detection]]]) -> str:
    sizes = sorted({each.count for _, several in found for each in several})
    return " or ".join(count(size) for size in sizes)
