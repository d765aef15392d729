"""A look at somebody's own images before a training: counts, sizes, a few of each."""

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from data import DatasetError
from data.cautions import cautions
from data.overview import MAX_FILES, Overview, overview
from data.own import is_image_file
from ui.components.figure import Figure, axis, figure
from ui.components.formats import count, counted, plain
from ui.components.images import data_url
from ui.components.labels import label
from ui.components.latest import Stamp, stamp_of
from ui.components.plot import plot

MAX_BARS = 30
ALIKE = 1.5  # times the images of the smallest class, that need no order
_ROW, _FRAME = 22, 54  # pixels of a bar, and of what is around them
_AGE = 60  # seconds after which a folder is looked at again
_TILE = 46  # pixels
_NAME = 18  # characters of a class beside its bar
_LOOKING = "Looking at the images"


@st.cache_data(max_entries=16, show_spinner=_LOOKING)
def _of_file(path: str, stamp: Stamp) -> Overview:  # noqa: ARG001 - the key
    return overview(path)


@st.cache_data(max_entries=16, ttl=_AGE, show_spinner=_LOOKING)
def _of_folder(path: str, stamp: Stamp) -> Overview:  # noqa: ARG001 - the key
    return overview(path)  # of which the stamp says nothing of what lies deeper


def preview(path: str, *, key: str, notes: Sequence[str] = ()) -> None:
    """Show what a folder or file holds, or what is wrong with it.

    Args:
        path: As for `data.own.read_own`.
        key: Start of the chart's key.
        notes: What else is to be told of it.
    """
    # Unlike Path's, this one leaves the ~ of an unknown user as it stands.
    path = os.path.expanduser(path)
    try:
        seen = _of_file if is_image_file(Path(path)) else _of_folder
        found = seen(path, stamp_of(Path(path)))
    except (DatasetError, OSError, ValueError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.markdown(_headline(found))
    if notes:
        st.caption(f":material/info: {plain(' '.join(notes))}")
    told = cautions(found)
    if told:
        st.warning("  \n".join(map(plain, told)), icon=":material/balance:")
    left, right = st.columns(2, gap="medium")
    with left:
        _counts(found, key)
    with right:
        _samples(found)


def _headline(found: Overview) -> str:
    more = "more than " if found.is_partial else ""
    classes = f"{count(found.num_classes)} classes"
    total = f"**{more}{counted(found.total, 'image')}**"
    text = " · ".join([total, classes, sizes(found), colours(found)])
    if found.test_counts:
        text += f"  \n{counted(sum(found.test_counts), 'image')} are the test part."
    if found.is_partial:
        text += f"  \nCounted up to {count(MAX_FILES)} images."
    return text


def sizes(found: Overview) -> str:
    """The sizes of images in words."""
    if found.num_sizes <= 1:
        width, height = found.median
        return f"{width} × {height} pixels"  # noqa: RUF001
    smallest, median, largest = (
        f"{width} × {height}"  # noqa: RUF001
        for width, height in (found.smallest, found.median, found.largest)
    )
    return f"{smallest} to {largest} pixels, median {median}"


def colours(found: Overview) -> str:
    """Whether images are grey, in words."""
    if found.num_grey == 0:
        return "colour"
    return "grey" if found.num_grey == found.num_opened else "grey and colour"


def _counts(found: Overview, key: str) -> None:
    order = by_size(found)
    kept = order[:MAX_BARS]
    st.markdown("**Images of each class**")
    if len(kept) < len(order):
        st.caption(f"The {len(kept)} largest of {len(order)} classes.")
    low, high = (found.counts.index(k) for k in (min(found.counts), max(found.counts)))
    plot(
        counts_figure(found, kept),
        key=f"{key}-counts",
        alt=f"Images of each class: {count(found.counts[high])} of "
        f"{found.class_names[high]}, the most, and {count(found.counts[low])} of "
        f"{found.class_names[low]}, the fewest.",
    )


def by_size(found: Overview) -> list[int]:
    """The classes, those with the most images first, unless all are about alike."""
    places = range(len(found.counts))
    if max(found.counts) < ALIKE * min(found.counts):
        return list(places)
    return sorted(places, key=lambda k: -found.counts[k])


def counts_figure(found: Overview, classes: Sequence[int]) -> Figure:
    """Bars of images of each class, the test part's behind those of the others."""
    # Names may be alike once they are cut, and Plotly would join their bars.
    places = list(range(len(classes)))
    parts = [("For training", found.counts, "@1")]
    if found.test_counts:
        parts.append(("Test part", found.test_counts, "@2"))
    bars = [
        {
            "type": "bar", "orientation": "h", "name": name, "y": places,
            "x": [counts[k] for k in classes], "marker": {"color": color},
            "customdata": [label(found.class_names[k]) for k in classes],
            "hovertemplate": "%{customdata}: %{x:,}<extra></extra>",
        }
        for name, counts, color in parts
    ]  # fmt: skip
    names = [label(found.class_names[k], _NAME) for k in classes]
    return figure(
        bars,
        x=axis("images", rangemode="tozero"),
        y=axis(autorange="reversed", tickvals=places, ticktext=names, showgrid=False),
        height=_FRAME + _ROW * max(3, len(classes)) + 24 * (len(parts) > 1),
        barmode="stack",
        bargap=0.3,
    )


def _samples(found: Overview) -> None:
    st.markdown("**A few of each class**")
    # In the order of the bars beside them.
    names = [found.class_names[k] for k in by_size(found)]
    shown = {name: found.samples[name] for name in names if name in found.samples}
    st.html(samples_html(shown))
    if len(shown) < len(names):
        st.caption(f"Of {len(shown)} of {len(names)} classes.")


def samples_html(samples: Mapping[str, Sequence[NDArray[np.uint8]]]) -> str:
    """Rows of small images, one a class, under one another."""
    rows = []
    for name, images in samples.items():
        label = html.escape(name)
        tiles = "".join(
            f'<img src="{data_url(image)}" alt="An image of class {label}" '
            f'style="height:{_TILE}px;max-width:{2 * _TILE}px;border-radius:4px;'
            f'image-rendering:{_rendering(image)}">'
            for image in images
        )
        rows.append(
            '<div style="display:flex;align-items:center;gap:6px;margin-bottom:6px">'
            '<span style="flex:0 0 6em;overflow:hidden;text-overflow:ellipsis;'
            f'white-space:nowrap;font-size:0.85rem" title="{label}">{label}</span>'
            f'<span style="display:flex;gap:6px;overflow:hidden">{tiles}</span></div>'
        )
    return f'<div style="max-height:480px;overflow-y:auto">{"".join(rows)}</div>'


def _rendering(image: NDArray[np.uint8]) -> str:
    """How a browser enlarges an image: small ones are made of squares."""
    return "pixelated" if max(image.shape[:2]) < _TILE else "auto"
