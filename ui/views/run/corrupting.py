"""Measuring distribution shift: when it can be, the errand that does it, how far it is.

It needs the network and so torch, which the server never loads: the work is that of
`python -m trainers shift RUN`, in a process of its own.
"""

import re
from functools import partial
from pathlib import Path

import streamlit as st

from data import DATASETS
from data.corruptions.apply import SMALLEST
from trainers import errands
from trainers.config import RunConfig
from trainers.errands import RUNNING
from trainers.mapped import mapped_array
from trainers.runs import Run, RunError
from ui.components import access
from ui.components.commands import block
from ui.components.engine import attempt
from ui.components.errand import standing, stop_button, tell_ending
from ui.components.guarded import fragment

REFRESH = 2.0  # seconds between two looks while it is measured
_BAR = re.compile(r"corrupting:.*?(\d+)/(\d+)")


def place_of(run: Run) -> Path:
    """The place of the errand that measures a run."""
    return run.path / "log" / "shift"


def words(run: Run) -> list[str]:
    """The errand's words, those of the command line."""
    return ["trainers", "shift", str(run.path)]


def obstacle(run: Run, config: RunConfig) -> str:
    """Why a run's inputs cannot be corrupted, "" if they can.

    Args:
        run: The run.
        config: Its configuration.
    """
    spec = DATASETS[config.dataset.name]
    if spec.kind == "points":
        return "Points of the plane have no corruptions: only images can be corrupted."
    sides = spec.shape[1:] if spec.shape else ()
    if not sides and run.images.exists():
        try:
            sides = mapped_array(run.images, "images").shape[1:3]
        except RunError:
            return ""  # the command tells, should it be so
    if sides and min(sides) < SMALLEST:
        return (
            f"Images must be at least {SMALLEST} x {SMALLEST} pixels to be corrupted; "
            f"these are {sides[0]} x {sides[1]}."
        )
    return ""


def progress(log: str) -> float | None:
    """How far the bar in a log is, 0 to 1; None before there is one."""
    found = _BAR.findall(log)
    if not found:
        return None
    done, total = map(int, found[-1])
    return min(1.0, done / total) if total else None


def offer(run: Run, *, again: bool = False) -> None:
    """Show the button and the command, or how far the measurement is.

    Args:
        run: A finished run whose inputs can be corrupted.
        again: Whether there is a measurement already.
    """
    place = place_of(run)
    found = standing(place)
    if found is not None and found.state == RUNNING:
        fragment("The measurement", _under_way, REFRESH)(place)
        return
    tell_ending(found, "The measurement", "did not end well")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Measure it again" if again else "Measure it",
            type="secondary" if again else "primary", icon=":material/blur_on:",
            key="shift-measure", disabled=not access.may_edit(),
            help="Seconds to minutes, on the device that the run was trained on; it "
            "goes on when you leave this page.",
        ):  # fmt: skip
            attempt([partial(errands.begin, place, words(run))])
        st.caption("or, in a terminal where the run is:", width="content")
    st.code(block(["python", "-m", "trainers", "shift", run.id]), language="bash")


def _under_way(place: Path) -> None:
    found = errands.look(place)
    if found is None or found.state != RUNNING:
        st.rerun()  # the whole page, which then shows what was measured
    share = progress(found.log)
    text = "Loading the network and its data…"
    if share is not None:
        text = f"Corrupting and predicting: {100 * share:.0f} %"
    st.progress(share or 0.0, text=text)
    stop_button(place, "shift-stop")
