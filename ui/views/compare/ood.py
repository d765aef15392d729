"""The tab of how well inputs of another kind are told apart."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from data import DATASETS
from ui.components.formats import plain
from ui.components.plot import panel
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.groups import Entry
from ui.views.compare.judged import ENTROPY, SCORES, Detection, detection, ood_sets
from ui.views.compare.measured import gathered
from ui.views.compare.measures import measures_table
from ui.views.compare.overlays import roc, roc_alt

SET, SCORE = "compare_ood", "compare_score"


def render(comparison: Comparison) -> None:
    """Show the ROC curves on one out-of-distribution set."""
    views = [view for entry in comparison.entries for view in entry.views]
    held = Counter(name for view in views for name in ood_sets(view.run))
    if not held:
        st.info(
            "None of these was evaluated on an out-of-distribution set.",
            icon=":material/info:",
        )
        return
    names = [name for name, _ in held.most_common()]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.selectbox(
            "Out-of-distribution set", names, key=SET, bind="query-params", width=260,
            format_func=_title,
        )  # fmt: skip
        score = st.selectbox(
            "Score", list(SCORES), key=SCORE, bind="query-params", width=220,
            format_func=lambda each: SCORES[each],
            help="What is larger for examples that look out of distribution.",
        )  # fmt: skip
    name = name if name in held else names[0]
    score = score if score in SCORES else ENTROPY
    found, missing = gathered(
        comparison.entries, lambda run: detection(run, name, score)
    )
    if found:
        title = _title(name)
        panel(
            f"Telling {plain(title)} apart", roc(found), key="compare-roc",
            alt=roc_alt(found, title),
            note=f"By {SCORES[score].lower()}, against {_counts(found)} examples of "
            f"{plain(title)}. Nearer the upper left is better."
            f"{comparison.bands}",
            revision=f"{comparison.revision} {name} {score}",
        )  # fmt: skip
        measures_table(
            ("auroc", "fpr95"),
            [(entry, [each.measures for each in several]) for entry, several in found],
        )
    told_missing(missing)


def _counts(found: Sequence[tuple[Entry, Sequence[Detection]]]) -> str:
    sizes = sorted({each.count for _, several in found for each in several})
    return " or ".join(f"{size:,}" for size in sizes)


def _title(name: str) -> str:
    return DATASETS[name].title if name in DATASETS else name
