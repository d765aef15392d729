"""The tab of how risk falls when unsure predictions are refused."""

import streamlit as st

from ui.components.plot import panel
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.judged import selective
from ui.views.compare.measured import gathered
from ui.views.compare.measures import measures_table
from ui.views.compare.overlays import risk, risk_alt


def render(comparison: Comparison) -> None:
    """Show the curves and their areas."""
    found, missing = gathered(comparison.entries, selective)
    if found:
        panel(
            "Risk and coverage", risk(found), key="compare-risk", alt=risk_alt(found),
            note="If the least sure predictions are left to a person, how often is the "
            f"rest wrong? Lower is better.{comparison.bands}",
            revision=comparison.revision,
        )  # fmt: skip
        measures_table(
            ("aurc", "excess_aurc", "coverage_at_risk"),
            [(entry, [each.measures for each in several]) for entry, several in found],
        )
    else:
        st.info("None of these has predictions yet.", icon=":material/info:")
    told_missing(missing)
