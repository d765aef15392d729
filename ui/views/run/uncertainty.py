"""The tab of pictures of uncertainty: maps of the plane, and a gallery of images."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from trainers.catalogue import OPTIMIZERS
from trainers.runs import Run
from ui.components.guarded import guarded
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.views.run.evaluated import evaluated
from ui.views.run.maps import decision_figure, map_alt, uncertainty_figure


def render(view: Summary) -> None:
    """Show the maps of points, or the gallery of images."""
    content = evaluated(view, "Pictures of uncertainty")
    if content is None:
        return
    if content.get("map"):
        with guarded("The decision map"):
            _decision(view.run, content)
        with guarded("The uncertainty map"):
            _maps(view.run, content)


def _decision(run: Run, content: Mapping[str, Any]) -> None:
    area, names = content["map"], content["class_names"]
    panel(
        "Decision",
        decision_figure(area, names),
        key="map-decision",
        alt=f"Most probable of {len(names)} classes over the plane, with the boundary "
        "and the training points.",
        note="The most probable class, stronger where the network is surer; the line "
        "is the boundary, the dots are the training points.",
        revision=run.id,
    )


def _maps(run: Run, content: Mapping[str, Any]) -> None:
    left, right = st.columns(2)
    with left:
        _heat(run, content, "entropy", "Predictive entropy",
              "Total uncertainty of the prediction.")  # fmt: skip
    with right:
        if content["mean"]:
            _heat(run, content, "mutual_information", "Mutual information",
                  "How far the weight samples disagree: what more data could still "
                  "teach.")  # fmt: skip
        else:
            with st.container(border=True, height="stretch"):
                st.markdown("**Mutual information**")
                st.info(
                    "There is no map of it: one set of weights cannot disagree with "
                    f"itself. Train with {_bayesian()} to see where data are missing.",
                    icon=":material/info:",
                )


def _bayesian() -> str:
    """The optimizers that learn a posterior."""
    return " or ".join(spec.title for spec in OPTIMIZERS.values() if spec.bayesian)


def _heat(
    run: Run, content: Mapping[str, Any], key: str, title: str, note: str
) -> None:
    area = content["map"]
    panel(
        title,
        uncertainty_figure(area, key, content["class_names"]),
        key=f"map-{key}",
        alt=map_alt(title, area, key),
        note=note,
        revision=run.id,
    )
