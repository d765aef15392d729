"""Faults of processing and storing. Images are float32 ``[N, C, H, W]`` in 0..1."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from data.corruptions.draws import Draws
from data.corruptions.planes import Images, enlargement


def brightness(
    images: Images,
    draws: Draws,  # noqa: ARG001 - every kind is called alike
    added: float,
) -> Images:
    """Raise the value of hue, saturation and value, and leave the other two."""
    value = images.max(axis=1, keepdims=True)
    raised = np.minimum(value + np.float32(added), 1)
    # Black has no hue: it becomes grey.
    factor = raised / np.where(value > 0, value, 1)
    brighter: Images = np.where(value > 0, images * factor, raised)
    return brighter


def contrast(
    images: Images,
    draws: Draws,  # noqa: ARG001 - every kind is called alike
    share: float,
) -> Images:
    """Pull each channel towards its mean."""
    mean = images.mean(axis=(2, 3), keepdims=True)
    flat: Images = mean + np.float32(share) * (images - mean)
    return flat


def elastic_transform(
    images: Images, draws: Draws, strength: float, smoothness: float, corners: float
) -> Images:
    """Map the image by a random affine map, then bend it smoothly.

    Args:
        images: The images.
        draws: Random numbers.
        strength: What smoothed uniform noise is multiplied by to give a shift, as a
            share of the shorter side.
        smoothness: Deviation of the normal curve that smooths it, likewise.
        corners: How far each of three points is moved at most, likewise.

    Returns:
        The images; beyond the edge they are mirrored.
    """
    height, width = images.shape[2:]
    side = min(height, width)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = np.array([height, width], np.float32) // 2
    moves = draws.uniforms(-corners * side, corners * side, 3, 2)
    down, right = _affine_shift(y - centre[0], x - centre[1], moves, side // 3)
    bends = draws.uniforms(-1, 1, 2, height, width)
    bends = gaussian_filter(
        bends, smoothness * side, mode="reflect", truncate=3, axes=(2, 3)
    )
    bends *= np.float32(strength * side)
    return _looked_up(images, y + down + bends[:, 0], x + right + bends[:, 1])


def _affine_shift(
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    moves: NDArray[np.float32],
    arm: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The shift by the affine map that moves three corners of a square.

    The corners are (arm, arm), (arm, -arm) and (-arm, -arm) around the centre, and
    `moves` ``[N, 3, 2]`` are their shifts.

    Returns:
        Shifts down and to the right, ``[N, H, W]`` each.
    """
    first, second, third = (moves[:, i, :, None, None] for i in range(3))
    # A shift a + b y + c x is fixed by its values at the corners.
    by_x = (first - second) / (2 * arm)
    by_y = (second - third) / (2 * arm)
    shifts = (first + third) / 2 + by_y * y + by_x * x
    return shifts[:, 0], shifts[:, 1]


def _looked_up(
    images: Images, y: NDArray[np.float32], x: NDArray[np.float32]
) -> Images:
    """Each image's values at places ``[N, H, W]`` between its pixels."""
    rows = np.broadcast_to(np.arange(len(images))[:, None, None], y.shape)
    places = np.stack([rows, y, x])
    channels = [
        map_coordinates(images[:, channel], places, order=1, mode="mirror")
        for channel in range(images.shape[1])
    ]
    return np.stack(channels, axis=1)


def pixelate(
    images: Images,
    draws: Draws,  # noqa: ARG001 - every kind is called alike
    share: float,
) -> Images:
    """Shrink by averaging blocks, and enlarge by repeating them."""
    height, width = images.shape[2:]
    share = share / enlargement(images) ** 0.5
    small = (max(1, int(width * share)), max(1, int(height * share)))

    def stored(picture: Image.Image) -> Image.Image:
        box = Image.Resampling.BOX
        return picture.resize(small, box).resize((width, height), box)

    return _as_pictures(images, stored)


def jpeg_compression(
    images: Images,
    draws: Draws,  # noqa: ARG001 - every kind is called alike
    quality: float,
) -> Images:
    """Store as JPEG, and read again."""

    def stored(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(quality))
        return Image.open(file)

    return _as_pictures(images, stored)


def _as_pictures(
    images: Images, change: Callable[[Image.Image], Image.Image]
) -> Images:
    """Change images with Pillow, one by one."""
    arrays = np.rint(images * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    grey = arrays.shape[-1] == 1
    changed = np.stack([
        np.asarray(change(Image.fromarray(array[..., 0] if grey else array)))
        for array in arrays
    ]).reshape(arrays.shape)
    return changed.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
