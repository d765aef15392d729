"""One example in full: its image, its distribution, and what that rests on."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from trainers.runs import Run
from ui.components.formats import count, decimal, percent, plain
from ui.components.images import data_url
from ui.components.plot import panel
from ui.views.run.distribution import (
    Belief,
    distribution_alt,
    distribution_figure,
    in_words,
)
from ui.views.run.occlusion import occlusion

SHOWN = 380  # pixels of the large image on the page


def picture_html(image: NDArray[np.uint8], alt: str, width: int = SHOWN) -> str:
    """An image with its pixels to be seen, as HTML."""
    return (
        f'<img src="{data_url(image)}" alt="{escape(alt)}" style="width:100%;'
        f"max-width:{width}px;image-rendering:pixelated;border-radius:6px;"
        'display:block;margin:0 auto">'
    )


def detail(
    run: Run,
    what: str,
    image: NDArray[np.uint8] | None,
    belief: Belief,
    names: list[str],
    truth: int | None,
) -> None:
    """Show an example.

    Args:
        run: The run.
        what: What it is called, such as "Test image 17".
        image: uint8 [H, W] or [H, W, 3]; None if it was not kept.
        belief: What the network believes.
        names: Class names.
        truth: The true class, if it is known.
    """
    left, right = st.columns([2, 3])
    with left, st.container(border=True, height="stretch", gap="small"):
        st.markdown(_verdict(belief, names, truth))
        if image is not None:
            told = f"{what}, predicted {names[belief.prediction]}"
            st.html(picture_html(image, told))
    with right:
        panel(
            "Predictive distribution",
            distribution_figure(belief, names, truth),
            key="detail-distribution",
            alt=distribution_alt(belief, names, truth),
            note=in_words(belief),
            revision=f"{run.id}-{what}",
        )
    facts(belief)
    if image is None:
        return
    if st.toggle(
        "Occlusion map: which part does the prediction rest on?", key="maps_occlusion",
        bind="query-params",
    ):  # fmt: skip
        occlusion(run, image, names, "maps")


def _verdict(belief: Belief, names: Sequence[str], truth: int | None) -> str:
    said = f"Predicted **{plain(names[belief.prediction])}**"
    if truth is None:
        return f"{said}; it belongs to none of the classes."
    if truth == belief.prediction:
        return f"{said}, which is right."
    return f"{said}, but it is **{plain(names[truth])}**."


def facts(belief: Belief) -> None:
    """The numbers of a prediction, with what they mean."""
    k = belief.prediction
    sampled = belief.num_samples > 1
    reach = f"{percent(belief.low[k])} to {percent(belief.high[k])}"
    largest = float(np.log(len(belief.mean))) or 1.0
    shown: list[tuple[str, str, str | None, str]] = [
        ("Confidence", percent(belief.confidence), reach if sampled else None,
         "Probability of the predicted class; below it the 5th to the 95th percentile "
         "of the weight samples."),
        ("Total entropy", f"{decimal(belief.total)} nats",
         f"{percent(belief.total / largest, 0)} of log C",
         "What the prediction leaves open; log C, the largest, when all C classes are "
         "equally probable."),
    ]  # fmt: skip
    if sampled:
        whole = belief.total or 1.0
        shown += [
            ("Aleatoric", f"{decimal(belief.expected)} nats",
             f"{percent(belief.expected / whole, 0)} of it", "Mean entropy of the "
             "samples, what each leaves open: ambiguity in the picture itself."),
            ("Epistemic", f"{decimal(belief.mutual_information)} nats",
             f"{percent(belief.mutual_information / whole, 0)} of it", "Mutual "
             "information between prediction and weights, what the samples dispute: "
             "what more data could still teach."),
        ]  # fmt: skip
    for place, (name, value, beside, told) in zip(
        st.columns(len(shown)), shown, strict=True
    ):
        place.metric(name, value, beside, delta_color="off", delta_arrow="off",
                     help=told, border=True, height="stretch")  # fmt: skip
    st.caption(_basis(belief))


def _basis(belief: Belief) -> str:
    if belief.num_samples == 1:
        return (
            "One set of weights: it cannot disagree with itself, so that the entropy "
            "cannot be split."
        )
    return f"By {count(belief.num_samples)} weight samples (S)."


def belief_of(samples: NDArray[Any]) -> Belief:
    """The belief of one example from `Part.samples_of([row])`, [S, 1, C]."""
    return Belief.of(samples[:, 0])
