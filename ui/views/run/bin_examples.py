"""The examples of one bin of a reliability diagram, with their images."""

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from calibration import ReliabilityDiagram
from trainers.runs import Run
from ui.components.formats import count, counted, percent
from ui.components.images import data_url, kept
from ui.views.run.sides import PREDICTED, Side

BIN = "cal_bin"  # the chosen bin, in the state of the session
MAX_SHOWN = 24
SIZE = 72  # pixels of an image on the page
_GRID = (
    "display:grid;gap:10px 8px;"
    "grid-template-columns:repeat(auto-fill,minmax(104px,1fr))"
)
_RIGHT, _WRONG = "#0A84C6", "#D55E00"  # as in the gallery


def members(
    diagram: ReliabilityDiagram, index: int, confidence: NDArray[np.floating]
) -> NDArray[np.intp]:
    """Which examples a bin holds.

    Args:
        diagram: The diagram.
        index: Number of the bin.
        confidence: What was binned, [N].

    Returns:
        Their rows, ascending.
    """
    low, high = diagram.lower[index], diagram.upper[index]
    inside = (confidence > low) & (confidence <= high)
    if index == 0:  # which also holds a confidence of 0
        inside |= confidence <= low
    return np.flatnonzero(inside)


def telling(
    rows: NDArray[np.intp], confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """The rows worth a look first: wrong ones, and of either kind the surest."""
    order = np.lexsort((-confidence[rows], right[rows]))
    return rows[order]


def pictured(
    run: Run, rows: NDArray[np.intp], limit: int = MAX_SHOWN
) -> list[tuple[int, NDArray[np.uint8]]]:
    """The first of some test examples whose images the run kept.

    Args:
        run: The run.
        rows: Rows of its predictions, the first ones first.
        limit: Most images.

    Returns:
        Rows and images.

    Raises:
        RunError: If images.npz cannot be read.
    """
    found = kept(run)
    there = rows[np.isin(rows, found.rows)][:limit]
    places = np.searchsorted(found.rows, there)
    return [
        (int(row), np.asarray(found.images[place]))
        for row, place in zip(there, places, strict=True)
    ]


def examples_html(
    shown: Sequence[tuple[int, NDArray[np.uint8]]], side: Side, names: Sequence[str]
) -> str:
    """Lay images out with what was said of them.

    Args:
        shown: Places in the side, and images.
        side: What was binned.
        names: Class names, [C]; the user's own words, so they are escaped.

    Returns:
        HTML without scripts.
    """
    cards = []
    for place, image in shown:
        truth, guess = names[side.labels[place]], names[side.said[place]]
        right = bool(side.came_true[place])
        alt = f"Test example {side.rows[place]}: {truth}, predicted {guess}"
        cards.append(
            f'<div style="min-width:0"><img src="{data_url(image)}" '
            f'alt="{escape(alt)}" title="{escape(alt)}" style="width:{SIZE}px;'
            f"height:{SIZE}px;object-fit:contain;image-rendering:pixelated;"
            'border-radius:4px;display:block">'
            '<div style="font-size:0.75rem;line-height:1.3;overflow-wrap:anywhere">'
            f"{_said(side, place, names)}<br>"
            f'<span style="color:{_RIGHT if right else _WRONG};font-weight:600">'
            f"{_mark(side, place, names)}</span></div></div>"
        )
    return f'<div style="{_GRID}">{"".join(cards)}</div>'


def _said(side: Side, place: int, names: Sequence[str]) -> str:
    """What was binned of an example, and what was predicted, as HTML."""
    share = percent(float(side.confidence[place]))
    guess = escape(names[side.said[place]])
    if side.of == PREDICTED:
        return f"{guess} {share}"
    return f"P({escape(names[side.of])}) {share}, predicted {guess}"


def _mark(side: Side, place: int, names: Sequence[str]) -> str:
    """Whether it came true, as HTML."""
    if not side.came_true[place]:
        return f"✗ is {escape(names[side.labels[place]])}"
    return "✓" if side.of == PREDICTED else f"✓ is {escape(names[side.of])}"


def show(run: Run, side: Side, drawn: ReliabilityDiagram, names: Sequence[str]) -> None:
    """Show a choice of bins, and the examples of the one chosen.

    Args:
        run: The run.
        side: What was binned.
        drawn: The diagram.
        names: Class names, [C].
    """
    bins = range(len(drawn.count))
    if st.session_state.get(BIN) not in bins:
        st.session_state[BIN] = None
    chosen = st.session_state[BIN]
    with st.expander(
        "Show the examples of a bin", expanded=chosen is not None,
        icon=":material/imagesmode:",
    ):  # fmt: skip
        index = st.selectbox(
            "Bin", bins, index=None, key=BIN, placeholder="Choose a bin, or click one",
            format_func=lambda k: _bin_name(drawn, k, side, names[side.of]),
        )  # fmt: skip
        if index is None:
            return
        rows = members(drawn, index, side.confidence)
        order = telling(rows, side.confidence, side.came_true)
        wrong = int((~side.came_true[rows]).sum())
        if not run.images.exists():
            st.info("This run kept no images.", icon=":material/info:")
            return
        shown = pictured(run, side.rows[order])
        places = np.searchsorted(side.rows, [row for row, _ in shown])
        kind = "errors" if side.of == PREDICTED else "of other classes"
        st.caption(
            f"{counted(len(rows), 'example')}, {count(wrong)} {kind}. {len(shown)} "
            "are shown: those first, of each sort the surest first."
        )
        pictures = [
            (int(place), image) for place, (_, image) in zip(places, shown, strict=True)
        ]
        st.html(examples_html(pictures, side, names))


def _bin_name(drawn: ReliabilityDiagram, k: int, side: Side, name: str) -> str:
    """A bin in a line: its edges, its examples, and how many of them came true."""
    share = percent(float(drawn.accuracy[k]))
    told = f"accuracy {share}" if side.of == PREDICTED else f"{share} are {name}"
    return (
        f"{percent(float(drawn.lower[k]))} to {percent(float(drawn.upper[k]))}: "
        f"{counted(int(drawn.count[k]), 'example')}, {told}"
    )
