"""The pictures of an evaluated run: calibration, detection, map or gallery."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import OPTIMIZERS
from trainers.config import OOD_NONE, RunConfig
from trainers.runs import Run, RunError
from ui.components import reading
from ui.components.entropy import entropy_alt, entropy_figure
from ui.components.formats import count, decimal, percent, plain
from ui.components.gallery import gallery_html
from ui.components.maps import decision_figure, map_alt, uncertainty_figure
from ui.components.plot import panel
from ui.components.reliability import reliability_alt, reliability_figure

_BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError, RunError)
_KINDS = {
    "most_certain": "Most certain",
    "least_certain": "Least certain",
    "confidently_wrong": "Confidently wrong",
    "most_epistemic": "Samples disagree most",
}


def guarded(show: Callable[[], None], what: str) -> None:
    """Show a part of the page; a damaged file costs that part and no more."""
    try:
        show()
    except _BROKEN as error:
        cause = str(error) if isinstance(error, RunError) else repr(error)
        text = f"{what} cannot be shown, its file is damaged: {cause}"
        st.error(plain(text), icon=":material/broken_image:")


def results(run: Run, config: RunConfig, content: Mapping[str, Any]) -> None:
    """Show everything that `evaluation.json` holds beyond the headline."""
    st.markdown("### How far it can be trusted")
    left, right = st.columns(2)
    with left:
        guarded(lambda: _reliability(run, content), "The reliability diagram")
    with right:
        if content.get("map"):
            guarded(lambda: _decision(run, content), "The decision map")
        else:
            guarded(lambda: _detection(run, config, content), "The entropy histogram")
    if content.get("map"):
        guarded(lambda: _maps(run, content), "The uncertainty map")
        st.caption(_no_detection(config))
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


def _gallery(run: Run, content: Mapping[str, Any]) -> None:
    st.markdown("### Test images, from sure to unsure")
    shown = content["gallery"]
    kinds = [kind for kind in _KINDS if kind in shown]
    images = reading.gallery(run)
    for tab, kind in zip(st.tabs([_KINDS[kind] for kind in kinds]), kinds, strict=True):
        with tab:
            if shown[kind]:
                st.html(gallery_html(shown[kind], images, content["class_names"]))
            else:
                st.success("Not one test image was misclassified.")
    st.caption("Bars are the predicted probabilities; the true class is blue.")
