"""The maps of a run on points of the plane, and the choice of what is drawn."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from trainers.runs import Run
from ui.components.guarded import guarded
from ui.components.plot import panel
from ui.views.run.drawn import drawn as drawn_over
from ui.views.run.drawn import no_map
from ui.views.run.maps import (
    ALEATORIC,
    ENTROPY,
    EPISTEMIC,
    decision_figure,
    heights,
    map_alt,
    uncertainty_figure,
)

DECISION, TOTAL = "Decision", "Total entropy"
ALEATORIC_TITLE, EPISTEMIC_TITLE = "Aleatoric entropy", "Mutual information"
_KEYS = {TOTAL: ENTROPY, ALEATORIC_TITLE: ALEATORIC, EPISTEMIC_TITLE: EPISTEMIC}
_NOTES = {
    TOTAL: "All that the prediction leaves open: the sum of the other two.",
    ALEATORIC_TITLE: "What each weight sample leaves open by itself: classes overlap "
    "here, and more data would not help.",
    EPISTEMIC_TITLE: "How far the weight samples disagree: what more data could still "
    "teach.",
}


def plane(run: Run, content: Mapping[str, Any], names: list[str]) -> None:
    """Show the chosen maps, two in a row.

    Args:
        run: The run.
        content: Its evaluation, with "map" and "num_samples".
        names: Class names.
    """
    titles = [DECISION, *_KEYS]
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    drawn = left.pills(
        "What is drawn", titles, selection_mode="multi", default=titles,
        key="maps_drawn", bind="query-params",
    )  # fmt: skip
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        points = st.toggle("Training points", True, key="maps_points",
                           bind="query-params")  # fmt: skip
        shared = st.toggle(
            "One colour scale", key="maps_scale", bind="query-params",
            help="The same colour is the same number of nats in all maps.",
        )  # fmt: skip
    chosen = [title for title in titles if title in drawn]
    if not chosen:
        st.info("Choose a map to draw.", icon=":material/touch_app:")
    for first in range(0, len(chosen), 2):
        for place, title in zip(st.columns(2), chosen[first : first + 2], strict=False):
            with place, guarded(f"The map {title}"):
                _map(run, content, names, title, bool(points), bool(shared))
    st.caption(
        f"By {drawn_over(content)} (S) at {len(content['map']['x'])} x "
        f"{len(content['map']['y'])} points; entropies in nats."
    )


def _map(
    run: Run,
    content: Mapping[str, Any],
    names: list[str],
    title: str,
    points: bool,
    shared: bool,
) -> None:
    area = content["map"]
    if title == DECISION:
        panel(
            title,
            decision_figure(area, names, points),
            key="map-decision",
            alt=f"Most probable of {len(names)} classes over the plane, with the "
            f"boundary{' and the training points' if points else ''}.",
            note="The most probable class, stronger where the network is surer; the "
            f"line is the boundary{', the dots are training points' if points else ''}"
            ".",
            revision=run.id,
        )
        return
    if title != TOTAL and (why := no_map(content)):
        _undivided(title, why)
        return
    key = _KEYS[title]
    largest = max(max(row) for row in heights(area, ENTROPY)) if shared else None
    panel(
        title,
        uncertainty_figure(area, key, names, points, largest),
        key=f"map-{key}",
        alt=map_alt(title, area, key, points),
        note=_NOTES[title],
        revision=run.id,
    )


def _undivided(title: str, why: str) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{title}**")
        st.info(why, icon=":material/info:")
