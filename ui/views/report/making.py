"""Making a report: its settings, the process that does it, and how far that is."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from trainers import errands
from trainers.errands import RUNNING
from trainers.runs import Run
from ui.components import access
from ui.components.engine import attempt
from ui.components.errand import standing, stop_button, tell_ending
from ui.components.guarded import fragment

REFRESH = 1.0  # seconds between two looks while it is made
MAX_TITLE = 120  # characters
_BINS = (5, 50, 15)  # smallest, largest, usual


def making(runs: Sequence[Run], folder: Path) -> None:
    """Offer to make the report of some runs, or show how far it is.

    Args:
        runs: The runs.
        folder: Where the report comes to.
    """
    place = place_of(folder)
    found = standing(place)
    if found is not None and found.state == RUNNING:
        fragment("The report", _under_way, REFRESH)(place)
        return
    tell_ending(found, "The report", "could not be made; an earlier one is as it was")
    _form(runs, folder, is_there=(folder / "report.html").is_file())


def place_of(folder: Path) -> Path:
    """The place of the errand that makes the report of a folder."""
    return folder.with_name(f".{folder.name}-making")


def words(
    runs: Sequence[Run], folder: Path, title: str, bins: int, pdf: bool
) -> list[str]:
    """The errand's words, those of the command line.

    Args:
        runs: The runs.
        folder: Where to.
        title: The heading; "" for the usual one.
        bins: Number of bins.
        pdf: Whether to make the PDF.

    Raises:
        ValueError: If the title or the number of bins cannot be.
    """
    low, high, _ = _BINS
    if len(title) > MAX_TITLE or not (title or "x").isprintable():
        raise ValueError(
            f"title must be at most {MAX_TITLE} printable characters, got {title!r}."
        )
    if not isinstance(bins, int) or not low <= bins <= high:
        raise ValueError(f"bins must be a whole number in [{low}, {high}], got {bins}.")
    found = ["trainers", "report", *(str(run.path) for run in runs)]
    # In one word: a title may begin with a dash.
    found += ["--output", str(folder), "--bins", str(bins)]
    found += [f"--title={title}"] if title else []
    return found + ([] if pdf else ["--no-pdf"])


def _form(runs: Sequence[Run], folder: Path, is_there: bool) -> None:
    low, high, usual = _BINS
    with st.form("report", border=True):
        left, middle, right = st.columns([5, 2, 2], vertical_alignment="bottom")
        title = left.text_input(
            "Title", key="report-title", max_chars=MAX_TITLE,
            placeholder="Calibration report",
        )  # fmt: skip
        bins = middle.number_input(
            "Bins", low, high, usual, 1, key="report-bins",
            help="Of calibration errors and reliability diagrams.",
        )  # fmt: skip
        pdf = right.toggle("With PDF", True, key="report-pdf", help="Takes seconds.")
        if st.form_submit_button(
            "Make it again" if is_there else "Make the report",
            type="secondary" if is_there else "primary",
            icon=":material/lab_profile:", disabled=not access.may_edit(),
        ):  # fmt: skip
            attempt([partial(_begin, runs, folder, title.strip(), bins, pdf)])


def _begin(runs: Sequence[Run], folder: Path, title: str, bins: int, pdf: bool) -> None:
    errands.begin(place_of(folder), words(runs, folder, title, bins, pdf))


def _under_way(place: Path) -> None:
    found = errands.look(place)
    if found is None or found.state != RUNNING:
        st.rerun()  # the whole page, which then shows the report
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            ":material/hourglass_top: **The report is being made.** It takes seconds, "
            "with many samples and images up to a minute; you may leave this page."
        )
        stop_button(place, "report-stop")
    if found.log:
        st.code(found.log, language=None, wrap_lines=True)
