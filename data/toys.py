"""Labelled points in the plane, for maps of where a model is unsure.

Each function returns points as float32 [N, 2] and labels as int64 [N], the same for
the same seed, with the classes shuffled and their sizes equal to within one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray[np.float32], NDArray[np.int64]]

_CENTRES = np.array([[-2.0, -2.0], [2.0, -2.0], [-2.0, 2.0], [2.0, 2.0]])
_NUM_ARMS = 3


def moons(seed: int, num_points: int = 1_000) -> Points:
    """Draw two interleaved half circles of radius 1, with noise of deviation 0.15."""
    from sklearn.datasets import make_moons  # seconds, which other datasets save

    return _typed(*make_moons(num_points, noise=0.15, random_state=seed))


def blobs(seed: int, num_points: int = 1_000) -> Points:
    """Draw four clouds 4 apart, of deviation 0.8: their edges touch."""
    from sklearn.datasets import make_blobs

    points, labels = make_blobs(
        num_points, centers=_CENTRES, cluster_std=0.8, random_state=seed
    )
    return _typed(points, labels)


def spirals(seed: int, num_points: int = 1_000) -> Points:
    """Draw three arms of 3/4 of a turn, of radius 3, with noise of deviation 0.08."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(num_points) % _NUM_ARMS)
    # The square root spreads points evenly along the arm, not densely at its root.
    along = np.sqrt(generator.uniform(0.02, 1.0, num_points))
    angle = 2 * np.pi * (0.75 * along + labels / _NUM_ARMS)
    points = 3 * along * np.stack([np.cos(angle), np.sin(angle)])
    return _typed(points.T + generator.normal(0, 0.08, (num_points, 2)), labels)


TOYS: dict[str, Callable[[int], Points]] = {
    "moons": moons,
    "blobs": blobs,
    "spirals": spirals,
}


def _typed(points: NDArray[Any], labels: NDArray[Any]) -> Points:
    """Bring both to the types every dataset has."""
    return points.astype(np.float32), labels.astype(np.int64)
