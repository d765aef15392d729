"""Blurs. Images are float32 ``[N, C, H, W]`` on the scale 0..1."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from data.corruptions.draws import Draws
from data.corruptions.planes import Images, enlargement, streaked, taken, zoomed

_ANGLE = 45.0  # degrees that a moving camera may differ from the horizontal


def defocus_blur(
    images: Images,
    draws: Draws,  # noqa: ARG001 - every kind is called alike
    radius: float,
    softness: float,
) -> Images:
    """Spread each pixel over a disk; lengths are in pixels of images of 32."""
    kernel = _disk(radius * enlargement(images), softness)
    reach = len(kernel) // 2
    margins = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    padded = np.pad(images, margins, mode="reflect")
    # One by one: several transforms at a time may round differently from one alone.
    each = [fftconvolve(one, kernel[None], "valid", axes=(1, 2)) for one in padded]
    return np.stack(each)


def _disk(radius: float, softness: float) -> NDArray[np.float32]:
    """A disk whose pixels sum to one, and whose edge is softened within a pixel."""
    reach = int(radius) + 1
    offsets = np.arange(-reach, reach + 1)
    inside = offsets**2 + offsets[:, None] ** 2 <= radius**2
    soft = gaussian_filter(
        inside.astype(np.float64), softness, mode="constant", radius=1
    )
    disk: NDArray[np.float32] = (soft / soft.sum()).astype(np.float32)
    return disk


def glass_blur(
    images: Images, draws: Draws, blur: float, reach: float, rounds: float
) -> Images:
    """Blur, take each pixel from a random place nearby, and blur again.

    Places are `reach` pixels before to `reach` - 1 behind the pixel, in both axes.
    """
    height, width = images.shape[-2:]
    size = enlargement(images)
    images = _softened(images, blur * size)
    far = round(reach * size)
    for _ in range(int(rounds)):
        down, right = (draws.whole(-far, far - 1, height, width) for _ in range(2))
        rows = np.clip(np.arange(height)[:, None] + down, 0, height - 1)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        images = taken(images, rows * width + columns)
    return _softened(images, blur * size)


def _softened(images: Images, deviation: float) -> Images:
    blurred: Images = gaussian_filter(images, deviation, mode="nearest", axes=(2, 3))
    return blurred


def motion_blur(
    images: Images, draws: Draws, radius: float, deviation: float
) -> Images:
    """Draw out each pixel, at up to 45 degrees from the horizontal."""
    size = enlargement(images)
    angles = draws.uniforms(-_ANGLE, _ANGLE)
    return streaked(images, angles, radius * size, deviation * size)


def zoom_blur(
    images: Images,
    draws: Draws,  # noqa: ARG001 - every kind is called alike
    largest: float,
    number: float,
) -> Images:
    """Average the image with zooms into its middle, from 1 to the largest."""
    total = images.copy()
    for factor in np.linspace(1, largest, int(number)):
        total += zoomed(images, float(factor))
    total /= np.float32(number + 1)
    return total
