"""Weather. Images are float32 ``[N, C, H, W]`` on the scale 0..1."""

import numpy as np

from data.corruptions.draws import Draws
from data.corruptions.planes import Images, clouds, enlargement, streaked, zoomed

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue: ITU-R BT.601
_ICE = np.array([0.86, 0.93, 1.0], np.float32)  # a bluish white
_FROST_DECAY, _VEIN_DECAY = 2.0, 1.4  # of the octaves of ice and of its veins
_FALL = (-135.0, -45.0)  # degrees: mostly downwards


def snow(
    images: Images,
    draws: Draws,
    mean: float,
    deviation: float,
    size: float,
    threshold: float,
    radius: float,
    trace: float,
    share: float,
) -> Images:
    """Whiten the colours, and let flakes fall from both ends.

    Args:
        images: The images.
        draws: Random numbers.
        mean: Of the normal noise that flakes are the peaks of.
        deviation: Of that noise.
        size: How many times the noise is enlarged.
        threshold: Noise below it is no flake.
        radius: Half the longest trace of a flake, in pixels of images of 32.
        trace: Deviation of the trace's fading, likewise.
        share: Share of the old colours.

    Returns:
        The images, some values above 1.
    """
    scale = enlargement(images)
    angles = draws.uniforms(*_FALL)
    flakes = mean + deviation * draws.normals(1, *images.shape[2:])
    flakes = zoomed(flakes.astype(np.float32), size * scale)
    flakes = np.where(flakes < threshold, np.float32(0), np.clip(flakes, 0, 1))
    flakes = streaked(flakes, angles, radius * scale, trace * scale)
    white = np.maximum(images, _grey(images) * np.float32(1.5) + np.float32(0.5))
    paler = np.float32(share) * images + np.float32(1 - share) * white
    snowy: Images = paler + flakes + flakes[..., ::-1, ::-1]
    return snowy


def frost(images: Images, draws: Draws, share: float, ice: float) -> Images:
    """Mix the image with ice: soft patches, and sharp bright veins across them."""
    height, width = images.shape[2:]
    patches = clouds(draws, height, width, _FROST_DECAY)
    ridges = 1 - np.abs(2 * clouds(draws, height, width, _VEIN_DECAY) - 1)
    texture = (patches + ridges**2) / 2
    tint = _ICE[:, None, None] if images.shape[1] == 3 else _ICE.mean()
    frozen: Images = np.float32(share) * images + np.float32(ice) * texture * tint
    return frozen


def fog(images: Images, draws: Draws, thickness: float, decay: float) -> Images:
    """Add clouds, and scale back to the brightest pixel that there was."""
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    mist = np.float32(thickness) * clouds(
        draws, images.shape[2], images.shape[3], decay
    )
    foggy: Images = (images + mist) * brightest / (brightest + np.float32(thickness))
    return foggy


def _grey(images: Images) -> Images:
    if images.shape[1] == 1:
        return images
    red, green, blue = (images[:, i : i + 1] * _GREY[i] for i in range(3))
    grey: Images = red + green + blue
    return grey
