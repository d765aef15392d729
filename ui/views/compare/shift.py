"""The tab of how entries hold up when inputs get worse."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from calibration.shift import averaged_kinds
from ui.components.formats import count, counted, plain, words
from ui.components.plot import panel
from ui.views.compare.comparison import Comparison, told_missing
from ui.views.compare.groups import Entry
from ui.views.compare.measured import gathered
from ui.views.compare.overlays import shifted
from ui.views.compare.severities import Shift, alike, kinds_of, shift

KIND = "compare_kind"
_ALL = "all"
_TITLES = {
    "accuracy": ("Accuracy", "Higher is better."),
    "nll": ("NLL", "In nats; lower is better."),
    "ece": ("Calibration error (ECE)", "A model that knows what it does not know "
            "stays low."),
}  # fmt: skip

Found = Sequence[tuple[Entry, Sequence[Shift]]]


def render(comparison: Comparison) -> None:
    """Show accuracy, NLL and ECE by severity."""
    measured, missing = gathered(comparison.entries, shift)
    if not measured:
        st.info(
            "None of these was measured on corrupted images: `python -m trainers shift "
            "RUN` does it.",
            icon=":material/info:",
        )
        told_missing(missing)
        return
    reference = _reference(measured, comparison.baseline)
    same, _ = gathered(comparison.entries, partial(alike, reference=reference))
    anywhere, everywhere = kinds_of([each for _, several in same for each in several])
    averaged = averaged_kinds(everywhere)
    kind = _chosen(anywhere, averaged)
    kinds = averaged if kind == _ALL else [kind]
    found, missing = gathered(
        comparison.entries, partial(alike, reference=reference, kinds=kinds)
    )
    _panels(comparison, found, kinds)
    st.caption(
        f"The same {count(len(reference))} test images with corruptions of growing "
        "severity; 0 is as they are."
        f"{_meaning(anywhere, kinds) if kind == _ALL else ''}{comparison.bands}"
    )
    told_missing(missing)


def _reference(measured: Found, baseline: Entry) -> Shift:
    """The first run of the baseline, by whose images the others must be judged."""
    by_entry = {entry.id: several[0] for entry, several in measured}
    return by_entry.get(baseline.id, measured[0][1][0])


def _chosen(anywhere: Sequence[str], averaged: Sequence[str]) -> str:
    """Ask for a corruption, or for the mean of those that all have."""
    kinds = [*([_ALL] if len(averaged) > 1 else []), *anywhere]
    kind = st.selectbox(
        "Corruption", kinds, key=KIND, bind="query-params", width=320,
        format_func=lambda k: "Mean of all kinds" if k == _ALL else words(k),
    )  # fmt: skip
    return kind if kind in kinds else kinds[0]


def _panels(comparison: Comparison, found: Found, kinds: Sequence[str]) -> None:
    for place, (name, (title, note)) in zip(
        st.columns(3), _TITLES.items(), strict=True
    ):
        drawn, told = shifted(found, kinds, name)
        with place:
            panel(
                title, drawn, key=f"compare-shift-{name}", note=note,
                alt=f"{title} by severity of the corruption. {told}",
                revision=f"{comparison.revision} {','.join(kinds)}",
            )  # fmt: skip


def _meaning(anywhere: Sequence[str], averaged: Sequence[str]) -> str:
    """What the mean is over, and what it leaves out."""
    told = f" The mean is over {counted(len(averaged), 'kind')}"
    left = [plain(words(kind).lower()) for kind in anywhere if kind not in averaged]
    return f"{told}; it leaves out {', '.join(left)}." if left else f"{told}."
