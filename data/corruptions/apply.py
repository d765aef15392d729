"""Corrupting images; see `data.corruptions` for kinds, sources and departures."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.corruptions import blur, digital, geometry, noise, weather
from data.corruptions.catalogue import SEVERITIES, corruption
from data.corruptions.draws import Draws
from data.corruptions.planes import Images

SMALLEST = 8  # pixels along each side
_CHUNK = 2**20  # values at a time: some 100 MB with all that is in between

_FUNCTIONS: dict[str, Callable[..., Images]] = {
    function.__name__: function
    for function in (
        noise.gaussian_noise,
        noise.shot_noise,
        noise.impulse_noise,
        blur.defocus_blur,
        blur.glass_blur,
        blur.motion_blur,
        blur.zoom_blur,
        weather.snow,
        weather.frost,
        weather.fog,
        digital.brightness,
        digital.contrast,
        digital.elastic_transform,
        digital.pixelate,
        digital.jpeg_compression,
        geometry.rotation,
    )
}


def corrupt(
    images: NDArray[np.uint8],
    kind: str,
    severity: int,
    *,
    seed: int = 0,
    indices: ArrayLike | None = None,
) -> NDArray[np.uint8]:
    """Corrupt images.

    Args:
        images: uint8 ``[N, C, H, W]``, C being 1 or 3, H and W at least 8.
        kind: Key in `data.corruptions.CORRUPTIONS`.
        severity: 1 (slight) to 5 (severe).
        seed: Seed of all that is random, at least 0.
        indices: Number of each example, at least 0, ``[N]``; by default its place. An
            example is corrupted alike in any batch, given its number.

    Returns:
        uint8 in the same shape; `images` are left alone.

    Raises:
        ValueError: If an argument is not as described.
    """
    spec = corruption(kind)
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be a whole number 1 to 5, got {severity!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}.")
    images = np.asarray(images)
    _check_images(images)
    numbers = _numbers(indices, len(images))
    settings = spec.severities[SEVERITIES.index(severity)]
    corrupted = np.empty_like(images)
    step = max(1, _CHUNK // images[:1].size) if len(images) else 1
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        draws = Draws(seed, kind, numbers[part])
        values = _FUNCTIONS[kind](_from_bytes(images[part]), draws, *settings)
        corrupted[part] = np.rint(np.clip(values, 0, 1) * 255)
    return corrupted


def _from_bytes(images: NDArray[np.uint8]) -> Images:
    return images.astype(np.float32) / np.float32(255)


def _check_images(images: NDArray[np.uint8]) -> None:
    if images.dtype != np.uint8:
        raise ValueError(f"images must be of dtype uint8, got {images.dtype}.")
    shape = images.shape
    fits = len(shape) == 4 and shape[1] in (1, 3) and min(shape[2:]) >= SMALLEST
    if not fits:
        raise ValueError(
            "images must be [N, C, H, W] with C 1 or 3 and at least "
            f"{SMALLEST} x {SMALLEST} pixels, got shape {shape}."
        )


def _numbers(indices: ArrayLike | None, count: int) -> Sequence[int]:
    if indices is None:
        return range(count)
    array = np.asarray(indices)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"indices must be {count} whole numbers, got shape {array.shape} of "
            f"dtype {array.dtype}."
        )
    if count and array.min() < 0:
        raise ValueError(f"indices must be at least 0, got {array.min()}.")
    return [int(index) for index in array]
