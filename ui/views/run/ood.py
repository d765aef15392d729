"""The tab that asks whether the network notices inputs of another kind."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.config import OOD_NONE, RunConfig
from trainers.runs import Run
from ui.components.formats import count, decimal, percent, plain
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.views.run.entropy import entropy_alt, entropy_figure
from ui.views.run.evaluated import evaluated


def render(view: Summary) -> None:
    """Show the histograms of each out-of-distribution set."""
    content = evaluated(view, "Detection of other inputs")
    if content is not None and view.config is not None:
        _detection(view.run, view.config, content)


def _detection(run: Run, config: RunConfig, content: Mapping[str, Any]) -> None:
    if not content["ood"]:
        with st.container(border=True, height="stretch"):
            st.markdown("**In versus out of distribution**")
            st.info(_no_detection(config), icon=":material/info:")
        return
    inside = DATASETS[config.dataset.name].title
    for name, result in content["ood"].items():
        outside = DATASETS[name].title if name in DATASETS else name
        histogram = result["histogram"]
        panel(
            "In versus out of distribution",
            entropy_figure(histogram, inside, outside, result["score"]),
            key=f"ood-{name}",
            alt=entropy_alt(result, inside, outside),
            note=f"AUROC {decimal(result['auroc'])}, FPR95 {percent(result['fpr95'])} "
            f"by {result['score']}, against {count(result['num_examples'])} examples "
            f"of {plain(outside)}. {plain(content['definitions'].get('fpr95', ''))}",
            revision=run.id,
        )


def _no_detection(config: RunConfig) -> str:
    if DATASETS[config.dataset.name].kind == "points":
        return (
            "Points of the plane have no partner set. The maps show what the "
            "network believes away from its data."
        )
    if config.evaluation.ood == OOD_NONE:
        return "This run was launched without an out-of-distribution set."
    return "No out-of-distribution set was at hand when this run was evaluated."
