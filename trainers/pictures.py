"""images.npz: the images that pages and reports show, so that they need no dataset.

| array | what |
|---|---|
| `images`, `rows` | of the test split: uint8 `[K, H, W]` or `[K, H, W, 3]`, and `[K]` |
| `images_ood_NAME`, `rows_ood_NAME` | the same of an out-of-distribution set |

`rows` are those of the arrays in predictions.npz, ascending. All images are kept where
they fit; of more, the most telling ones and others drawn at random.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration import decompose, predictive, select_examples
from data.arrays import Split

MAX_BYTES = 64 * 2**20  # of the test images; each other set has a quarter
TELLING = 0.5  # share of what is kept that is chosen, the rest being drawn
_SEED = 0

Arrays = dict[str, NDArray[Any]]


def kept_images(
    test: Split,
    ood: Mapping[str, Split],
    probabilities: Mapping[str, NDArray[np.float32]],
    max_bytes: int = MAX_BYTES,
) -> Arrays:
    """Everything that images.npz holds.

    Args:
        test: The test split, of images.
        ood: Out-of-distribution images by name.
        probabilities: Of "test" and each "ood_NAME", [N, C] or [S, N, C].
        max_bytes: Most bytes of test images.

    Returns:
        Arrays by name.
    """
    rows = _telling(test, probabilities["test"], max_bytes)
    arrays: Arrays = {"images": pictures(test.inputs[rows]), "rows": rows}
    for name, split in ood.items():
        count = max_bytes // 4 // _size(split)
        rows = _surest(probabilities[f"ood_{name}"], count)
        arrays[f"images_ood_{name}"] = pictures(split.inputs[rows])
        arrays[f"rows_ood_{name}"] = rows
    return arrays


def pictures(inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images [K, C, H, W] as programs show them, [K, H, W] or [K, H, W, 3]."""
    shown = inputs.transpose(0, 2, 3, 1)
    return shown[..., 0] if shown.shape[-1] == 1 else shown


def _size(split: Split) -> int:
    return int(np.prod(split.inputs.shape[1:]))


def _telling(
    test: Split, probabilities: NDArray[np.float32], max_bytes: int
) -> NDArray[np.intp]:
    """Rows of the extremes of certainty, error and disagreement, and of others."""
    count = max(1, max_bytes // _size(test))
    if count >= len(test):
        return np.arange(len(test))
    each = max(1, int(TELLING * count) // 4)
    chosen = select_examples(probabilities, test.labels, each).values()
    return _filled(np.concatenate(list(chosen)), len(test), count)


def _surest(probabilities: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Rows that the network takes for its own with least doubt, and others."""
    total = len(predictive(probabilities))
    if count >= total:
        return np.arange(total)
    order = np.argsort(decompose(probabilities).total, kind="stable")
    return _filled(order[: max(1, int(TELLING * count))], total, max(1, count))


def _filled(chosen: NDArray[np.intp], total: int, count: int) -> NDArray[np.intp]:
    """Chosen rows, filled up with others drawn at random, ascending."""
    kept = np.unique(chosen)[:count]
    others = np.setdiff1d(np.arange(total), kept)
    drawn = np.random.default_rng(_SEED).choice(
        others, min(len(others), count - len(kept)), replace=False
    )
    return np.sort(np.concatenate([kept, drawn]))
