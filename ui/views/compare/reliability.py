"""The tab that lays reliability diagrams over one another."""

from typing import cast

import streamlit as st

from ui.components.plot import panel
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.judged import Scheme, diagram
from ui.views.compare.measured import gathered
from ui.views.compare.overlays import (
    ACCURACY,
    VIEWS,
    reliability,
    reliability_alt,
)

VIEW, BINS, SCHEME = "compare_view", "compare_bins", "compare_scheme"
FEWEST, MOST, DEFAULT = 5, 50, 15
SCHEMES = {"width": "Equal width", "mass": "Equal mass"}
_NOTES = {
    "Accuracy": "When it is 80 % sure, is it right 8 times in 10? Below the dotted "
    "line it promises too much, above it too little.",
    "Gap": "Accuracy less confidence: below zero it promises too much, above too "
    "little.",
}


def render(comparison: Comparison) -> None:
    """Show the diagram."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = st.segmented_control(
            "Shown", VIEWS, default=ACCURACY, key=VIEW, bind="query-params",
            required=True,
        )  # fmt: skip
        scheme = st.segmented_control(
            "Bins", list(SCHEMES), default="width", key=SCHEME, bind="query-params",
            format_func=lambda name: SCHEMES[name], required=True,
            help="Of equal width, or of equally many examples.",
        )  # fmt: skip
        num_bins = st.slider(
            "Number of bins", FEWEST, MOST, DEFAULT, key=BINS, bind="query-params",
            width=200,
        )  # fmt: skip
    view = view if view in VIEWS else ACCURACY
    kind = cast(Scheme, scheme if scheme in SCHEMES else "width")
    found, missing = gathered(
        comparison.entries, lambda run: diagram(run, num_bins, kind)
    )
    if found:
        panel(
            "Reliability", reliability(found, kind, view), key="compare-reliability",
            alt=reliability_alt(found),
            note=f"{_NOTES[view]} {_marks(comparison)} Below: how many examples each "
            "bin holds.",
            revision=f"{comparison.revision} {view} {kind} {num_bins}",
        )  # fmt: skip
    told_missing(missing)


def _marks(comparison: Comparison) -> str:
    told = []
    if any(not entry.is_family for entry in comparison.entries):
        told.append("Bars are 95 % intervals (Wilson).")
    if any(entry.is_family for entry in comparison.entries):
        told.append("Of families: means over seeds, bars of one deviation.")
    return " ".join(told)
