"""t-SNE of a run's features, in a process of its own: `python -m trainers.tsne RUN`.

It writes embedding.npz in the run's folder: `places` `[N, 2]` of the examples that
`trainers.drawn` names, and `stamp`, by which the predictions are known that they are of
(time in nanoseconds, size and inode). Torch is not needed, but seconds of computing
are, which a server of pages does not have.

*Paper*: van der Maaten and Hinton (2008), JMLR 9:2579. Distances between clusters, and
their sizes, mean little in it; which points are neighbours does.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.arrays import write_arrays
from trainers.drawn import drawn_features, drawn_rows
from trainers.ranks import end_with_launcher
from trainers.runs import Run, RunError

PERPLEXITY, DIMENSIONS, SEED = 30.0, 50, 0
SMALLEST = 5  # examples
ITERATIONS = 1000  # scikit-learn tells of each fiftieth
FILE = "embedding.npz"


def tsne(features: NDArray[np.floating], tell: bool = False) -> NDArray[np.float32]:
    """Lay features out in the plane, the same way each time.

    Args:
        features: ``[N, D]``, N at least `SMALLEST`; of many dimensions the first
            principal components are used.
        tell: Whether to print how far it is.

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
    fitted = TSNE(
        perplexity=perplexity, init=_start(reduced), random_state=SEED,
        max_iter=ITERATIONS, verbose=2 * tell,
    )  # fmt: skip
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


def lay_out(run: Run) -> None:
    """Compute the places of a run's examples, and write them.

    Args:
        run: An evaluated run.

    Raises:
        RunError: If it has no features, or is damaged.
        ValueError: If there are too few examples.
    """
    stat = run.predictions.stat()
    rows = drawn_rows(run)
    if not rows:
        raise RunError(f"Run {run.id} kept no features.")
    places = tsne(np.concatenate(drawn_features(run, rows)), tell=True)
    stamp = np.array([stat.st_mtime_ns, stat.st_size, stat.st_ino])
    write_arrays(run.path / FILE, {"places": places, "stamp": stamp})


def main(arguments: Sequence[str]) -> int:
    """Lay a run out; returns the exit code."""
    end_with_launcher()  # whoever wanted it is gone
    try:
        lay_out(Run(Path(arguments[0])))
    except (RunError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
