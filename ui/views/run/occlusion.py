"""The occlusion map: which part of an image a prediction rests on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from trainers.runs import Run, RunError
from ui.components import access, predictor
from ui.components.figure import Figure, axis, figure
from ui.components.formats import decimal, percent, plain
from ui.components.images import channels_first, data_url
from ui.components.latest import Stamp, stamp_of
from ui.components.plot import panel

CONFIDENCE, ENTROPY, EPISTEMIC = "Confidence", "Entropy", "Mutual information"
_KEYS = {
    CONFIDENCE: "confidence", ENTROPY: "entropy", EPISTEMIC: "mutual_information",
}  # fmt: skip
NUM_PLACES = 15  # squares along a side, about
HEIGHT = 420

Maps = Mapping[str, NDArray[Any]]


def patches(side: int) -> list[int]:
    """Sides of squares to choose from, for images whose shorter side is given."""
    shares = (1 / 14, 1 / 7, 3 / 14, 2 / 7, 3 / 7)
    return sorted({max(1, round(share * side)) for share in shares} & {*range(side)})


def stride_of(patch: int, side: int) -> int:
    """How far the square moves: smoothly, but not to thousands of places."""
    return max(1, min(patch, max(patch // 4, side // NUM_PLACES)))


def occlusion_figure(
    image: NDArray[np.uint8], changes: NDArray[Any], unit: str
) -> Figure:
    """Lay how much each pixel matters over the image.

    Args:
        image: uint8 [H, W] or [H, W, 3].
        changes: What covering a pixel changes, [H, W]; above 0 it spoke for the
            prediction, below 0 against it.
        unit: Of the changes: "points" of percent, or "nats".
    """
    height, width = changes.shape
    scale = 100 if unit == "points" else 1
    shown = scale * changes
    largest = max(float(np.abs(shown).max()), 1e-9)
    heat = {
        "type": "heatmap", "z": np.round(shown, 4).tolist(),
        "zmin": -largest, "zmax": largest,
        "colorscale": [[0, "@1/0.85"], [0.5, "@grid/0.05"], [1, "@2/0.85"]],
        "hovertemplate": "row %{y}, column %{x}: %{z:+.2f} "
        f"{unit}<extra></extra>",
        "colorbar": {
            "title": {"text": unit, "font": {"size": 11}}, "thickness": 10,
            "outlinewidth": 0, "tickfont": {"size": 10}, "len": 1,
            "tickformat": "+.2~g",
        },
    }  # fmt: skip
    below = {
        "source": data_url(enlarged(image)), "xref": "x", "yref": "y", "layer": "below",
        "x": -0.5, "y": -0.5, "sizex": width, "sizey": height, "sizing": "stretch",
        "xanchor": "left", "yanchor": "top",
    }  # fmt: skip
    return figure(
        [heat],
        x=axis(range=[-0.5, width - 0.5], showgrid=False, visible=False,
               constrain="domain"),
        y=axis(range=[height - 0.5, -0.5], showgrid=False, visible=False,
               scaleanchor="x", constrain="domain"),
        height=HEIGHT,
        images=[below],
    )  # fmt: skip


def enlarged(image: NDArray[np.uint8], least: int = 280) -> NDArray[np.uint8]:
    """A small image with whole squares for pixels, which browsers would blur."""
    times = max(1, -(-least // max(image.shape[:2])))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def occlusion_alt(maps: Maps, measure: str, predicted: str) -> str:
    """Say in a sentence what the map shows."""
    changes = maps[_KEYS[measure]]
    row, column = np.unravel_index(int(changes.argmax()), changes.shape)
    before = float(maps[f"{_KEYS[measure]}_before"])
    place = f"row {row}, column {column}"
    if measure == CONFIDENCE:
        return (
            f"Occlusion map. Covering {place} lowers the probability of {predicted} "
            f"most, by {100 * float(changes.max()):.1f} points from {percent(before)}."
        )
    return (
        f"Occlusion map. Covering {place} raises the {measure.lower()} most, by "
        f"{decimal(float(changes.max()))} nats from {decimal(before)}."
    )


def occlusion_note(measure: str, predicted: str, patch: int) -> str:
    """What the colours mean, for a reader who never saw such a map."""
    how = (
        f"A square of {patch} x {patch} pixels in the training images' mean colour "
        "covers one place after another."
    )
    if measure == CONFIDENCE:
        return (
            f"{how} Orange: covering it makes {predicted} less probable, so the "
            "network saw evidence for it there. Blue: covering it makes it more "
            "probable."
        )
    return (
        f"{how} Orange: covering it makes the network less certain. Blue: covering it "
        "makes it more certain, so what is there confuses it."
    )


def occlusion(
    run: Run, image: NDArray[np.uint8], names: list[str], prefix: str
) -> None:
    """Ask for the map of an image, and show it.

    Args:
        run: The run.
        image: uint8 [H, W] or [H, W, 3].
        names: Class names.
        prefix: Of the keys of the widgets.
    """
    if not access.may_edit():
        st.info(
            "The map is computed by a process of its own, which only editors may "
            "start.", icon=":material/visibility:",
        )  # fmt: skip
        return
    side = min(image.shape[:2])
    left, right = st.columns([2, 3])
    with left, st.container(border=True, height="stretch"):
        patch, measure = _controls(patches(side), prefix)
        words = st.container()
    stamp, stride = stamp_of(run.predictions), stride_of(patch, side)
    try:
        with st.spinner("Covering one part after another…"):
            maps, samples = _maps(str(run.path), stamp, image, patch, stride)
    except RunError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with words:
        _tell(names, maps, samples, measure, patch)
    with right:
        _show(run, image, names, maps, measure, prefix)


def _controls(sizes: list[int], prefix: str) -> tuple[int, str]:
    """Show how large the square is and what is measured; return what was chosen."""
    usual = sizes[len(sizes) // 2]
    patch = st.select_slider(
        "Size of the square, pixels", sizes, value=usual, key=f"{prefix}_patch",
        bind="query-params",
    )  # fmt: skip
    measure = st.segmented_control(
        "What covering changes", list(_KEYS), default=CONFIDENCE, required=True,
        key=f"{prefix}_measure", bind="query-params",
    )  # fmt: skip
    return (
        int(patch) if patch in sizes else usual,
        str(measure) if measure in _KEYS else CONFIDENCE,
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _maps(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
    image: NDArray[np.uint8],
    patch: int,
    stride: int,
) -> tuple[dict[str, NDArray[Any]], int]:
    from pathlib import Path

    run, inputs = Run(Path(path)), channels_first(image)
    answer = predictor.occlude(run, inputs, patch, stride)
    return dict(answer.arrays), int(answer.content["num_samples"])


def _tell(names: list[str], maps: Maps, samples: int, measure: str, patch: int) -> None:
    predicted = plain(names[int(maps["prediction"])])
    stands_on = (
        f"the first {samples} weight samples" if samples else ("one set of weights")
    )
    st.markdown(occlusion_note(measure, predicted, patch))
    st.caption(
        f"By {stands_on}. A pixel has the mean over the squares that cover it. "
        "Computed on the CPU, or where the run was configured for CUDA on a GPU."
    )


def _show(
    run: Run,
    image: NDArray[np.uint8],
    names: list[str],
    maps: Maps,
    measure: str,
    prefix: str,
) -> None:
    changes = maps[_KEYS[measure]]
    panel(
        "Occlusion map",
        occlusion_figure(image, changes, "points" if measure == CONFIDENCE else "nats"),
        key=f"{prefix}-occlusion",
        alt=occlusion_alt(maps, measure, names[int(maps["prediction"])]),
        revision=f"{run.id}-{prefix}",
    )
