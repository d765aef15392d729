"""The examples of a run that a map of its last layer shows, and their features.

Torch-free. A map with more points than these is a cloud, and t-SNE of them takes long.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.mapped import array_names, mapped_array
from trainers.runs import Run, RunError

MAX_POINTS = 2000  # of the test set; of all others together MAX_OTHERS
MAX_OTHERS = 600
TEST, OOD = "", "ood_"  # as the sets of predictions are named

Rows = Mapping[str, NDArray[np.int64]]


def drawn_rows(run: Run) -> Rows:
    """The rows of each set that are drawn, the test set first; {} without features.

    Raises:
        RunError: If the predictions are missing or damaged.
    """
    there = set(array_names(run.predictions))
    if not {"probabilities", _features(TEST)} <= there:
        return {}
    others = sorted(
        name for name in there if name.startswith(OOD) and _features(name) in there
    )
    limit = MAX_OTHERS // max(1, len(others))
    return {
        name: sampled_rows(_size(run, name), limit if name else MAX_POINTS)
        for name in (TEST, *others)
    }


def drawn_features(run: Run, rows: Rows) -> list[NDArray[np.float64]]:
    """The features of some examples, [K, D] of each set.

    Args:
        run: An evaluated run.
        rows: Rows by set, as `drawn_rows` gives them.

    Raises:
        RunError: If the predictions are damaged.
    """
    found: list[NDArray[np.float64]] = []
    for name, chosen in rows.items():
        features: NDArray[Any] = mapped_array(run.predictions, _features(name))
        if features.ndim != 2 or len(features) != _size(run, name):
            raise RunError(f"{run.predictions} is damaged: its features do not fit.")
        found.append(np.asarray(features[chosen], np.float64))
    if not all(np.isfinite(each).all() for each in found):
        raise RunError(f"{run.predictions} is damaged: a feature is not finite.")
    return found


def sampled_rows(total: int, limit: int, seed: int = 0) -> NDArray[np.int64]:
    """All rows, or so many drawn at random, the same ones each time; ascending."""
    if total <= limit:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, limit, replace=False))


def _features(name: str) -> str:
    return f"features_{name}" if name else "features"


def _size(run: Run, name: str) -> int:
    """How many examples a set has: of [S, N, C] or [N, C] it is N."""
    shape = mapped_array(run.predictions, name or "probabilities").shape
    if len(shape) < 2:
        raise RunError(f"{run.predictions} is damaged: {name or 'test'} is no set.")
    return int(shape[-2])
