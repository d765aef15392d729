"""The pictures of an evaluated run: calibration, detection, map or gallery."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import optimizer_spec
from trainers.config import OOD_NONE, RunConfig
from trainers.runs import Run, RunError
from ui.components import reading
from ui.components.entropy import entropy_alt, entropy_figure
from ui.components.formats import count, decimal, percent, plain, words
from ui.components.gallery import gallery_html
from ui.components.maps import decision_figure, map_alt, uncertainty_figure
from ui.components.plot import panel
from ui.components.reliability import reliability_alt, reliability_figure

_BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, RunError)
_KINDS = ("most_certain", "least_certain", "confidently_wrong", "most_epistemic")


def guarded(show: Callable[[], None], what: str) -> None:
    """Show a part of the page; a damaged file costs that part and no more."""
    try:
        show()
    except _BROKEN as error:
        text = f"{what} cannot be shown, its file is damaged: {error!r}"
        st.error(plain(text), icon=":material/broken_image:")


def results(run: Run, config: RunConfig, content: Mapping[str, Any]) -> None:
    """Show everything that `evaluation.json` holds beyond the headline."""
    st.markdown("### How far it can be trusted")
    left, right = st.columns(2)
    with left:
        guarded(lambda: _reliability(run, content), "The reliability diagram")
    with right:
        guarded(lambda: _detection(run, config, content), "The entropy histogram")
    if content.get("map"):
        guarded(lambda: _maps(run, config, content), "The uncertainty map")
    if content.get("gallery"):
        guarded(lambda: _gallery(run, content), "The gallery")


def _reliability(run: Run, content: Mapping[str, Any]) -> None:
    bins, metrics = content["reliability"]["bins"], content["metrics"]
    panel(
        "Reliability",
        reliability_figure(bins),
        key="reliability",
        alt=reliability_alt(bins, metrics["ece"]),
        note=f"When it is 80 % sure, is it right 8 times in 10? ECE "
        f"{decimal(metrics['ece'], 4)} over {content['reliability']['num_bins']} bins, "
        f"{count(content['num_examples'])} test examples. Dots below the dotted line "
        "are overconfident.",
        revision=run.id,
    )


def _detection(run: Run, config: RunConfig, content: Mapping[str, Any]) -> None:
    if not content["ood"]:
        with st.container(border=True):
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
            "Points of the plane have no partner set. The map below shows what the "
            "network believes away from its data."
        )
    if config.evaluation.ood == OOD_NONE:
        return "This run was launched without an out-of-distribution set."
    return "No out-of-distribution set was at hand when this run was evaluated."


def _maps(run: Run, config: RunConfig, content: Mapping[str, Any]) -> None:
    st.markdown("### What it believes where")
    bayesian = optimizer_spec(config.optimizer.name).bayesian
    area, names = content["map"], content["class_names"]
    places = st.columns(3 if bayesian else 2)
    with places[0]:
        panel("Decision", decision_figure(area, names), key="map-decision",
              alt=f"Most probable of {len(names)} classes over the plane.",
              note="Most probable class, stronger where it is surer; the line is the "
              "boundary.", revision=run.id)  # fmt: skip
    with places[1]:
        panel("Entropy", uncertainty_figure(area, "entropy", names), key="map-entropy",
              alt=map_alt("Predictive entropy", area, "entropy"),
              note="Total uncertainty of the prediction.", revision=run.id)  # fmt: skip
    if bayesian:
        figure = uncertainty_figure(area, "mutual_information", names)
        with places[2]:
            panel("Mutual information", figure, key="map-information",
                  alt=map_alt("Mutual information", area, "mutual_information"),
                  note="How far the weight samples disagree: what data could still "
                  "teach.", revision=run.id)  # fmt: skip
    else:
        st.caption(
            "No map of mutual information: one set of weights cannot disagree with "
            "itself. Train with VOGN to see where data are missing."
        )


def _gallery(run: Run, content: Mapping[str, Any]) -> None:
    st.markdown("### Test images, from sure to unsure")
    shown = content["gallery"]
    kinds = [kind for kind in _KINDS if kind in shown]
    images = reading.gallery(run)
    for tab, kind in zip(st.tabs([words(kind) for kind in kinds]), kinds, strict=True):
        with tab:
            if shown[kind]:
                st.html(gallery_html(shown[kind], images, content["class_names"]))
            else:
                st.success("Not one test image was misclassified.")
    st.caption("Bars are the predicted probabilities; the true class is blue.")
