"""t-SNE of features, in a process of its own.

Of `python -m trainers.tsne FEATURES PLACES`, FEATURES is an .npy file `[N, D]` and
PLACES the .npy file `[N, 2]` that is written. Torch is not needed, but seconds of
computing are, which a server of pages does not have.

*Paper*: van der Maaten and Hinton (2008), JMLR 9:2579. Distances between clusters, and
their sizes, mean little in it; which points are neighbours does.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.runs import replacing

PERPLEXITY, DIMENSIONS, SEED = 30.0, 50, 0
SMALLEST = 5  # examples


def tsne(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Lay features out in the plane, the same way each time.

    Args:
        features: ``[N, D]``, N at least `SMALLEST`; of many dimensions the first
            principal components are used.

    Returns:
        ``[N, 2]``.

    Raises:
        ValueError: If there are too few, or one is not finite.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if features.ndim != 2 or len(features) < SMALLEST:
        raise ValueError(
            f"features must be [N, D] with N >= {SMALLEST}, got {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError("features must be finite.")
    features = features.astype(np.float64)
    components = min(DIMENSIONS, *features.shape)
    with np.errstate(invalid="ignore"):  # shares of the variance where there is none
        reduced = PCA(components, random_state=SEED).fit_transform(features)
    if components < 2:
        reduced = np.hstack([reduced, np.zeros((len(reduced), 1))])
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    fitted = TSNE(perplexity=perplexity, init=_start(reduced), random_state=SEED)
    places: NDArray[np.float32] = fitted.fit_transform(reduced)
    return places


def _start(reduced: NDArray[np.float64]) -> NDArray[np.float32]:
    """Where points begin: in the plane of the first components, close together.

    It is what `init="pca"` does, and also works if all features are alike.
    """
    plane = reduced[:, :2]
    start: NDArray[np.float32] = (1e-4 * plane / max(plane[:, 0].std(), 1e-12)).astype(
        np.float32
    )
    return start


def main(arguments: Sequence[str]) -> int:
    """Read, lay out and write; returns the exit code."""
    source, target = map(Path, arguments)
    places = tsne(np.load(source, allow_pickle=False))
    with replacing(target) as file:
        np.save(file, places)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
