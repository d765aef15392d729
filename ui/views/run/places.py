"""Where the examples of a run lie on a map: by PCA at once, by t-SNE on demand."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from trainers.arrays import write_arrays
from trainers.jobs.start import REPOSITORY
from trainers.mapped import array_names, mapped_array
from trainers.runs import Run, RunError
from ui.components import access, predictions
from ui.components.predictions import OOD, TEST
from ui.components.reading import stamp_of
from ui.views.run.embedding import (
    MAX_OTHERS,
    MAX_POINTS,
    Floats,
    principal_plane,
    sampled_rows,
)

FILE = "embedding.npz"  # in the run's folder: places that took seconds to compute
PATIENCE = 300.0  # seconds
_one_at_a_time = threading.Lock()

Rows = Mapping[str, NDArray[np.int64]]


def drawn_rows(run: Run) -> Rows:
    """The rows of each set that are drawn, the test set first; {} without features."""
    there = set(array_names(run.predictions))
    sets = [
        name
        for name in predictions.parts(run)
        if (name == TEST or name.startswith(OOD)) and _features(name) in there
    ]
    if TEST not in sets:
        return {}
    others = MAX_OTHERS // max(1, len(sets) - 1)
    return {
        name: sampled_rows(
            len(predictions.part(run, name)), MAX_POINTS if name == TEST else others
        )
        for name in sets
    }


def _features(name: str) -> str:
    return f"features_{name}" if name else "features"


def _features_of(run: Run, rows: Rows) -> list[NDArray[Any]]:
    found = []
    for name, chosen in rows.items():
        features = mapped_array(run.predictions, _features(name))
        if features.ndim != 2 or len(features) != len(predictions.part(run, name)):
            raise RunError(f"{run.predictions} is damaged: its features do not fit.")
        found.append(np.asarray(features[chosen], np.float64))
    if not all(np.isfinite(each).all() for each in found):
        raise RunError(f"{run.predictions} is damaged: a feature is not finite.")
    return found


@st.cache_data(max_entries=16, show_spinner=False)
def pca_places(
    path: str,
    stamp: tuple[int, int, int],  # noqa: ARG001 - part of the cache's key
) -> tuple[list[Floats], float]:
    """Places by PCA of the examples that are drawn, in the order of their sets.

    Args:
        path: The run's folder.
        stamp: Of its predictions.

    Returns:
        What `principal_plane` does.
    """
    run = Run(Path(path))
    return principal_plane(_features_of(run, drawn_rows(run)))


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


def compute_places(run: Run, rows: Rows) -> None:
    """Compute t-SNE in a process of its own, and keep it in the run's folder.

    Raises:
        AccessError: If the person at the browser is no editor.
        RunError: If it fails.
    """
    access.require_editor()
    with _one_at_a_time:
        if read_places(run, rows) is None:  # nobody did while this one waited
            _compute(run, rows)


def _compute(run: Run, rows: Rows) -> None:
    stamp, features = stamp_of(run.predictions), _features_of(run, rows)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "features.npy"), Path(folder, "places.npy")
        np.save(source, np.concatenate(features))
        command = [sys.executable, "-m", "trainers.tsne", str(source), str(target)]
        try:
            done = subprocess.run(  # noqa: S603 - an argument list of our own
                command, cwd=REPOSITORY, check=False, capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=PATIENCE,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RunError(f"t-SNE took more than {PATIENCE:g} s.") from None
        if done.returncode:
            tail = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise RunError(f"t-SNE failed: {tail[0]}")
        places = np.load(target, allow_pickle=False)
    write_arrays(run.path / FILE, {"places": places, "stamp": np.array(stamp)})
