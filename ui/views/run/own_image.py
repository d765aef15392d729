"""Try your own image: draw or upload one, and see what the network believes of it."""

import hashlib
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from trainers.runs import Run, RunError
from ui.components import access, predictions, predictor
from ui.components.drawing import drawing
from ui.components.formats import plain
from ui.components.images import Kept, channels_last, kept, kept_sets
from ui.components.latest import Stamp, stamp_of
from ui.components.plot import panel
from ui.components.predictions import OOD, TEST, Part
from ui.components.uploaded import (
    ENDINGS,
    MAX_MEGABYTES,
    MAX_PIXELS,
    cut_out,
    decoded,
    drawn,
    fitted,
    is_light_on_dark,
)
from ui.views.run.browsing import dataset_title
from ui.views.run.detail import facts, picture_html
from ui.views.run.distribution import (
    Belief,
    distribution_alt,
    distribution_figure,
    in_words,
)
from ui.views.run.occlusion import occlusion
from ui.views.run.standing import rank_text, verdict_text, verdicts

DRAW, UPLOAD = "Draw", "Upload"
_LOOKED_AT = 200  # test images that tell how a dataset looks
_EXAMPLES = 12  # classes with an image to show what they look like


def own_image(run: Run, names: list[str]) -> None:
    """Show the sheet or the upload, and what comes of it.

    Args:
        run: A finished run on images.
        names: Class names.
    """
    if not access.may_edit():
        st.info(
            "Only editors can try images of their own: the network computes in a "
            "process of its own, which a viewer may not start.",
            icon=":material/visibility:",
        )
        return
    if TEST not in kept_sets(run):
        st.info(
            "This run kept no images, so that the size of its network's input is not "
            "known here: it was evaluated by an older version.",
            icon=":material/image_not_supported:",
        )
        return
    like = kept(run)
    left, right = st.columns([2, 3])
    with left, st.container(border=True, height="stretch"):
        picture = _given(like)
    with right:
        if picture is None:
            _invitation(run, like, names)
        else:
            _believed(run, names, picture)
    if picture is not None and st.toggle(
        "Occlusion map: which part does the prediction rest on?", key="own_occlusion"
    ):
        occlusion(run, channels_last(picture), names, "own")


def _invitation(run: Run, like: Kept, names: list[str]) -> None:
    channels, height, width = like.input_shape
    colour = "grey" if channels == 1 else "colour"
    with st.container(border=True, height="stretch"):
        st.markdown("**What does it make of something new?**")
        st.markdown(
            f"Draw or upload anything. The network sees {width} x {height} pixels in "
            f"{colour}, and knows {len(names)} classes, of which these are the "
            "test images that it is surest of:"
        )
        st.html(_examples(predictions.part(run), like, names))
        st.caption(
            "Try something that belongs to none of them: a network that knows what it "
            "does not know becomes uncertain, and its weight samples disagree. Nothing "
            "you draw or upload is kept on the disk."
        )


def _examples(part: Part, like: Kept, names: list[str]) -> str:
    """The surest image of each of the first classes, as HTML."""
    shown = []
    for k in range(min(len(names), _EXAMPLES)):
        rows = like.rows[part.prediction[like.rows] == k]
        if len(rows):
            image = like.of(int(rows[part.total[rows].argmin()]))
            assert image is not None
            shown.append(
                '<figure style="margin:0;width:76px">'
                f"{picture_html(image, names[k], 76)}<figcaption "
                'style="font-size:0.75rem;text-align:center;overflow-wrap:anywhere">'
                f"{escape(names[k])}</figcaption></figure>"
            )
    style = "display:flex;flex-wrap:wrap;gap:14px 18px"
    return f'<div style="{style}">{"".join(shown)}</div>'


def _given(like: Kept) -> NDArray[np.uint8] | None:
    """What was drawn or uploaded, as the network takes it; None if nothing was."""
    channels = like.input_shape[0]
    way = st.segmented_control(
        "How", [DRAW, UPLOAD], default=DRAW if channels == 1 else UPLOAD,
        required=True, key="own_way", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    light_on_dark = is_light_on_dark(np.asarray(like.images[:_LOOKED_AT]))
    try:
        picture = _drawing(channels) if way == DRAW else _upload()
    except RunError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None
    if picture is None:
        return None
    invert = _invert(picture, light_on_dark, is_drawn=way == DRAW)
    inputs = fitted(picture, like.input_shape, invert=invert)
    _, height, width = like.input_shape
    st.markdown(f"**What the network sees**, {width} x {height} pixels")
    st.html(
        picture_html(channels_last(inputs), "The image as the network sees it", 180)
    )
    return inputs


def _invert(picture: Image.Image, light_on_dark: bool, *, is_drawn: bool) -> bool:
    """Show the switch that inverts, and return how it stands."""
    # A switch keeps its first value: each upload gets one of its own.
    of = DRAW if is_drawn else hashlib.sha256(picture.tobytes()).hexdigest()[:16]
    chosen = st.toggle(
        "Invert light and dark", light_on_dark and (is_drawn or _is_light(picture)),
        key=f"own_invert_{of}",
        help="The images of this dataset are light on a dark ground."
        if light_on_dark
        else "The images of this dataset are shown as they are.",
    )  # fmt: skip
    return bool(chosen)


def _is_light(picture: Image.Image) -> bool:
    """Whether the edge of a picture is light, as paper is."""
    grey = np.asarray(picture.convert("L"), np.float64)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return float(edge.mean()) > 140


def _drawing(channels: int) -> Image.Image | None:
    address = drawing(
        key="own_drawing", label="Sheet to draw on.", colored=channels == 3
    )
    centred = st.toggle(
        "Fill the frame with the drawing", True, key="own_centred",
        help="The drawing is cut out and centred, as most datasets' images are.",
    )  # fmt: skip
    if address is None:
        return None
    picture = drawn(address)
    return cut_out(picture) if centred else picture


def _upload() -> Image.Image | None:
    file = st.file_uploader(
        "A picture", type=list(ENDINGS), key="own_upload",
        max_upload_size=MAX_MEGABYTES, label_visibility="collapsed",
        help=f"At most {MAX_MEGABYTES} MB and {MAX_PIXELS / 1e6:.0f} million pixels; "
        "the middle of it is scaled to the network's input.",
    )  # fmt: skip
    return None if file is None else decoded(file.getvalue())


def _believed(run: Run, names: list[str], inputs: NDArray[np.uint8]) -> None:
    try:
        with st.spinner("Asking the network…"):
            samples = _predicted(str(run.path), stamp_of(run.predictions), inputs)
    except RunError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    belief = Belief.of(samples)
    panel(
        f"It says: {plain(names[belief.prediction])}",
        distribution_figure(belief, names),
        key="own-distribution",
        alt=distribution_alt(belief, names),
        note=in_words(belief),
        revision=run.id,
    )
    facts(belief)
    st.markdown("  \n".join(_standing(run, belief)))


def _standing(run: Run, belief: Belief) -> list[str]:
    """Rank among the test images, and a verdict for each out-of-distribution set."""
    inside = predictions.part(run).total
    outside = {
        name: predictions.part(run, name).total
        for name in predictions.parts(run)
        if name.startswith(OOD)
    }
    return [
        rank_text(inside, belief.total),
        *(
            verdict_text(found, plain(dataset_title(name)))
            for name, found in verdicts(belief.total, inside, outside).items()
        ),
    ]


@st.cache_data(max_entries=64, show_spinner=False)
def _predicted(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
    inputs: NDArray[np.uint8],
) -> NDArray[Any]:
    probabilities: NDArray[Any] = predictor.predict(Run(Path(path)), inputs[None])[:, 0]
    return probabilities
