"""The tab of learning curves, which move as long as the run is alive."""

from collections.abc import Sequence

import streamlit as st

from trainers.runs import Run
from trainers.status import ALIVE, QUEUED
from ui.components import reading
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.components.series import Row
from ui.views.run.curvature import curvature_curves
from ui.views.run.curves import Curve, curves

REFRESH = 2.0  # seconds between two looks at a live run


def render(view: Summary) -> None:
    """Show the curves."""
    alive = view.state in ALIVE
    st.fragment(_live, run_every=REFRESH if alive else None)(view)


def _live(view: Summary) -> None:
    rows = reading.metrics(view.run)
    _convergence(view.run, rows, view.state)
    _curvature(view.run, rows)


def _nothing_drawn(state: str) -> str:
    if state == QUEUED:
        return "The curves appear here by themselves once it trains."
    if state in ALIVE:
        return "Waiting for the first logged steps…"
    return "Nothing logged."


def _convergence(run: Run, rows: list[Row], state: str) -> None:
    drawn = curves(rows)
    if not drawn:
        st.caption(_nothing_drawn(state))
        return
    _row(run, drawn[:2], 2)
    _row(run, drawn[2:], max(2, len(drawn) - 2))


def _curvature(run: Run, rows: list[Row]) -> None:
    drawn = curvature_curves(rows)
    if drawn:
        st.markdown("### Curvature")
        _row(run, drawn, len(drawn))


def _row(run: Run, drawn: Sequence[Curve], num_columns: int) -> None:
    for place, curve in zip(st.columns(num_columns), drawn, strict=False):
        with place:
            panel(curve.title, curve.figure, key=f"curve-{curve.key}",
                  alt=curve.alt, note=curve.note, revision=run.id)  # fmt: skip
