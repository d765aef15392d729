"""The images that come with scikit-learn: real, and there without a network.

It is imported where it is needed: that takes seconds, which other datasets save.
"""

import numpy as np
from numpy.typing import NDArray

from data.arrays import Split

_PATCH = 32  # height and width in pixels
_NUM_PATCHES = 2_000
_PATCH_SEED = 20_260_101  # fixed, so that figures on the patches can be compared


def digits() -> Split:
    """Read the 1,797 handwritten digits, uint8 [N, 1, 8, 8].

    Their grey levels 0..16 are spread over 0..255.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return Split.whole(images[:, np.newaxis], bunch.target)


def photo_patches() -> Split:
    """Cut 2,000 patches at random from the two photographs, uint8 [N, 3, 32, 32].

    The label of a patch is the number of its photograph. The patches are always the
    same, and may overlap.
    """
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    generator = np.random.default_rng(_PATCH_SEED)
    labels = generator.integers(len(photographs), size=_NUM_PATCHES)
    patches = [_random_patch(photographs[label], generator) for label in labels]
    return Split.whole(np.stack(patches), labels)


def _random_patch(
    photograph: NDArray[np.uint8], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Cut one patch [3, 32, 32] out of a photograph [H, W, 3]."""
    height, width, _ = photograph.shape
    top = generator.integers(height - _PATCH + 1)
    left = generator.integers(width - _PATCH + 1)
    patch = photograph[top : top + _PATCH, left : left + _PATCH]
    return patch.transpose(2, 0, 1)
