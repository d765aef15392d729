"""Where the examples of a run lie on a map: by PCA at once, by t-SNE on demand.

t-SNE takes up to a minute or two: it is an errand, `python -m trainers.tsne RUN`, which
writes embedding.npz in the run's folder.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from trainers import errands
from trainers.drawn import Rows, drawn_features, drawn_rows
from trainers.errands import RUNNING
from trainers.mapped import mapped_array
from trainers.runs import Run, RunError
from trainers.tsne import FILE, ITERATIONS
from ui.components import access
from ui.components.engine import attempt
from ui.components.errand import standing, stop_button, tell_ending
from ui.components.formats import count
from ui.components.guarded import fragment
from ui.components.latest import Stamp, stamp_of
from ui.views.run.embedding import Floats, principal_plane

REFRESH = 1.0  # seconds between two looks while t-SNE is computed
_STEP = re.compile(r"^\[t-SNE\] Iteration (\d+):", re.MULTILINE)


@st.cache_data(max_entries=16, show_spinner=False)
def pca_places(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
) -> tuple[list[Floats], float]:
    """Places by PCA of the examples that are drawn, in the order of their sets.

    Args:
        path: The run's folder.
        stamp: Of its predictions.

    Returns:
        What `principal_plane` does.
    """
    run = Run(Path(path))
    return principal_plane(drawn_features(run, drawn_rows(run)))


def read_places(run: Run, rows: Rows) -> list[Floats] | None:
    """Places that were computed before, None if there are none of these examples."""
    path = run.path / FILE
    if not path.exists():
        return None
    try:
        stamp = tuple(int(k) for k in mapped_array(path, "stamp"))
        places = np.asarray(mapped_array(path, "places"), np.float64)
    except (RunError, ValueError, TypeError):
        return None  # it is computed anew
    sizes = [len(each) for each in rows.values()]
    fits = stamp == stamp_of(run.predictions) and places.shape == (sum(sizes), 2)
    if not fits or not np.isfinite(places).all():
        return None
    return np.split(places, np.cumsum(sizes)[:-1])


def place_of(run: Run) -> Path:
    """The place of the errand that computes t-SNE of a run."""
    return run.path / "log" / "tsne"


def words(run: Run) -> list[str]:
    """The errand's words, those of the command line."""
    return ["trainers.tsne", str(run.path)]


def progress(log: str) -> float | None:
    """How far t-SNE is as its log has it, 0 to 1; None before its first step."""
    found = _STEP.findall(log)
    return min(1.0, int(found[-1]) / ITERATIONS) if found else None


def offer(run: Run, total: int) -> None:
    """Show the button that computes t-SNE, or how far it is.

    Args:
        run: An evaluated run.
        total: How many examples are drawn.
    """
    place = place_of(run)
    found = standing(place)
    if found is not None and found.state == RUNNING:
        fragment("t-SNE", _under_way, REFRESH)(place)
        return
    tell_ending(found, "t-SNE", "did not end well")
    may = access.may_edit()
    st.info(
        f"t-SNE of {count(total)} examples takes up to a minute or two; it is computed "
        "once, in a process of its own, and kept with the run. You may leave this page "
        "meanwhile." + ("" if may else " Only editors may start it."),
        icon=":material/hourglass_empty:",
    )
    if st.button(
        "Compute t-SNE", icon=":material/play_arrow:", type="primary",
        disabled=not may, key="maps_tsne",
    ):  # fmt: skip
        attempt([partial(errands.begin, place, words(run))])


def _under_way(place: Path) -> None:
    found = errands.look(place)
    if found is None or found.state != RUNNING:
        st.rerun()  # the whole page, which then shows the map
    share = progress(found.log)
    text = "Laying the examples out"
    st.progress(share or 0.0, text=f"{text}…" if share is None else
                f"{text}: {100 * share:.0f} %")  # fmt: skip
    stop_button(place, "maps_tsne_stop")
