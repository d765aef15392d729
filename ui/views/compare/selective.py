"""The tab of how risk falls when unsure predictions are refused."""

import streamlit as st

from ui.components.plot import panel
from ui.components.scores import CONFIDENCE, certainties
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.judged import selective
from ui.views.compare.measured import gathered, known, scores
from ui.views.compare.measures import measures_table
from ui.views.compare.overlays import risk, risk_alt

CERTAINTY = "compare_certainty"


def render(comparison: Comparison) -> None:
    """Show the curves and their areas."""
    by, title = _chosen(comparison)
    found, missing = gathered(comparison.entries, lambda run: selective(run, by))
    if found:
        panel(
            "Risk and coverage", risk(found), key="compare-risk", alt=risk_alt(found),
            note="If the least sure predictions are left to a person, how often is the "
            f"rest wrong? The least sure are told by {title}. Lower is better."
            f"{comparison.bands}",
            revision=f"{comparison.revision} {by}",
        )  # fmt: skip
        measures_table(
            ("aurc", "excess_aurc", "coverage_at_risk"),
            [(entry, [each.measures for each in several]) for entry, several in found],
        )
    else:
        st.info("None of these has predictions yet.", icon=":material/info:")
    told_missing(missing)


def _chosen(comparison: Comparison) -> tuple[str, str]:
    """Ask for what predictions are refused by; its key and its title."""
    views = [view for entry in comparison.entries for view in entry.views]
    told = [each for view in views if (each := known(view, scores))]
    titles = certainties(sampled=any(each.num_samples > 1 for each in told))
    if not told:
        return CONFIDENCE, titles[CONFIDENCE].lower()
    by = st.selectbox(
        "Refuse first what has the least certainty by", list(titles), key=CERTAINTY,
        format_func=lambda name: titles[name], bind="query-params", width=320,
    )  # fmt: skip
    by = by if by in titles else CONFIDENCE
    return by, titles[by].lower()
