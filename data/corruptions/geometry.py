"""Turns. Images are float32 ``[N, C, H, W]`` on the scale 0..1."""

from scipy.ndimage import rotate

from data.corruptions.draws import Draws
from data.corruptions.planes import Images


def rotation(
    images: Images,
    draws: Draws,  # noqa: ARG001 - every kind is called alike
    degrees: float,
) -> Images:
    """Turn to the left around the centre; what comes from outside is black."""
    turned: Images = rotate(images, degrees, axes=(3, 2), reshape=False, order=1)
    return turned
