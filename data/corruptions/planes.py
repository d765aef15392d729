"""What several corruptions do to planes of pixels, many images at a time.

Nothing here mixes images: each is computed alike, to the bit, in any batch.
"""

import numpy as np
from numpy.typing import NDArray

from data.corruptions.draws import Draws

Images = NDArray[np.float32]  # [N, C, H, W] on the scale 0..1

SIDE = 32  # pixels of the images that the settings were made for


def enlargement(images: Images) -> float:
    """How many times larger images are than those of the settings, at least 1."""
    height, width = images.shape[2:]
    return max(1.0, float(min(height, width)) / SIDE)


def resampled(planes: Images, positions: NDArray[np.float32], axis: int) -> Images:
    """Interpolate linearly along one axis.

    Args:
        planes: Of any shape.
        positions: Where to look, in pixels, ``[P]``; beyond the edge is the edge.
        axis: Which one, of at least 2 pixels.

    Returns:
        The same with P pixels along the axis.
    """
    last = planes.shape[axis] - 1
    positions = np.clip(positions, 0, last).astype(np.float32)
    low = np.minimum(positions.astype(np.intp), last - 1)
    shape = [1] * planes.ndim
    shape[axis] = -1
    share = (positions - low).reshape(shape)
    before, after = planes.take(low, axis), planes.take(low + 1, axis)
    between: Images = before + share * (after - before)
    return between


def zoomed(planes: Images, factor: float) -> Images:
    """Enlarge the middle of planes ``[..., H, W]``, factor >= 1, to their own size."""
    for axis in (planes.ndim - 2, planes.ndim - 1):
        offsets = np.arange(planes.shape[axis], dtype=np.float32)
        centre = np.float32((planes.shape[axis] - 1) / 2)
        planes = resampled(planes, centre + (offsets - centre) / factor, axis)
    return planes


def clouds(draws: Draws, height: int, width: int, decay: float) -> Images:
    """Fractal noise: octaves of interpolated noise, each finer and weaker.

    Args:
        draws: Random numbers of N images.
        height: In pixels.
        width: In pixels.
        decay: How many times weaker an octave is than the one of twice its size.

    Returns:
        Planes from 0 to 1, both reached, ``[N, 1, height, width]``.
    """
    total = np.zeros((1, 1, height, width), np.float32)
    cells, amplitude = 2, 1.0
    while cells < 2 * max(height, width):
        plane = draws.normals(1, cells + 1, cells + 1)
        for axis, size in ((2, height), (3, width)):
            positions = np.linspace(0, cells, size, dtype=np.float32)
            plane = resampled(plane, positions, axis)
        total = total + np.float32(amplitude) * plane
        cells, amplitude = 2 * cells, amplitude / decay
    low = total.min(axis=(2, 3), keepdims=True)
    high = total.max(axis=(2, 3), keepdims=True)
    scaled: Images = (total - low) / (high - low)
    return scaled


def streaked(
    planes: Images, degrees: NDArray[np.float32], radius: float, deviation: float
) -> Images:
    """Draw every pixel out into a trace that fades like half a normal curve.

    Args:
        planes: ``[N, C, H, W]``; beyond the edge is the edge.
        degrees: Direction of each image's trace, 0 to the right, ``[N]``.
        radius: Half the longest trace in pixels.
        deviation: Of the normal curve, in pixels, above 0.

    Returns:
        The blurred planes, in the same shape.
    """
    steps = np.arange(1 + min(2 * round(radius), int(3 * deviation)))
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    weights /= weights.sum()
    angles = np.deg2rad(degrees.astype(np.float64))
    blurred = np.zeros_like(planes)
    for step, weight in zip(steps, weights, strict=True):
        down = np.rint(step * np.sin(angles)).astype(np.intp)
        right = np.rint(step * np.cos(angles)).astype(np.intp)
        blurred += np.float32(weight) * _moved(planes, down, right)
    return blurred


def _moved(planes: Images, down: NDArray[np.intp], right: NDArray[np.intp]) -> Images:
    """Move each image by whole pixels of its own."""
    height, width = planes.shape[-2:]
    rows = np.clip(np.arange(height) - down[:, None], 0, height - 1)
    columns = np.clip(np.arange(width) - right[:, None], 0, width - 1)
    return taken(planes, rows[:, :, None] * width + columns[:, None, :])


def taken(planes: Images, places: NDArray[np.intp]) -> Images:
    """Take pixels from elsewhere in the same image, all channels from one place.

    Args:
        planes: ``[N, C, H, W]``.
        places: For every pixel the place in the flattened plane, ``[N, H, W]``.

    Returns:
        What is there, in the shape of `planes`.
    """
    flat = planes.reshape(*planes.shape[:2], -1)
    index = places.reshape(len(places), 1, -1)
    return np.take_along_axis(flat, index, axis=2).reshape(planes.shape)
