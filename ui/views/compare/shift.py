"""The tab of how entries hold up when inputs get worse."""

import streamlit as st

from data.corruptions import CORRUPTIONS
from ui.components.formats import words
from ui.components.plot import panel
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.judged import ALL_KINDS, shift
from ui.views.compare.measured import gathered
from ui.views.compare.overlays import shifted

KIND = "compare_kind"
_TITLES = {
    "accuracy": ("Accuracy", "Higher is better."),
    "nll": ("NLL", "In nats; lower is better."),
    "ece": ("Calibration error (ECE)", "A model that knows what it does not know "
            "stays low."),
}  # fmt: skip


def render(comparison: Comparison) -> None:
    """Show accuracy, NLL and ECE by severity."""
    found, missing = gathered(comparison.entries, shift)
    if not found:
        st.info(
            "None of these was measured on corrupted images: `python -m trainers shift "
            "RUN` does it.",
            icon=":material/info:",
        )
        told_missing(missing)
        return
    tables = [each for _, several in found for each in several]
    kinds = [ALL_KINDS] + [k for k in CORRUPTIONS if any(k in t for t in tables)]
    kind = st.selectbox(
        "Corruption", kinds, key=KIND, bind="query-params", width=320,
        format_func=lambda k: "Mean of all kinds" if k == ALL_KINDS else words(k),
    )  # fmt: skip
    kind = kind if kind in kinds else ALL_KINDS
    for place, (name, (title, note)) in zip(
        st.columns(3), _TITLES.items(), strict=True
    ):
        drawn, told = shifted(found, kind, name)
        with place:
            panel(
                title, drawn, key=f"compare-shift-{name}", note=note,
                alt=f"{title} by severity of the corruption. {told}",
                revision=f"{comparison.revision} {kind}",
            )  # fmt: skip
    st.caption(
        "The same test images with corruptions of growing severity; 0 is as they are. "
        f"The mean leaves out rotation.{comparison.bands}"
    )
    told_missing(missing)
