"""Noise, pixel by pixel. Images are float32 ``[N, C, H, W]`` on the scale 0..1."""

import numpy as np

from data.corruptions.draws import Draws
from data.corruptions.planes import Images


def gaussian_noise(images: Images, draws: Draws, deviation: float) -> Images:
    """Add normal noise of a deviation on the scale 0..1."""
    noisy: Images = images + np.float32(deviation) * draws.normals(*images.shape[1:])
    return noisy


def shot_noise(images: Images, draws: Draws, photons: float) -> Images:
    """Count photons, of which a white pixel sends `photons` on average."""
    counted: Images = draws.counts(images * np.float32(photons)) / np.float32(photons)
    return counted


def impulse_noise(images: Images, draws: Draws, share: float) -> Images:
    """Turn a share of all values black or white, as many each on average."""
    chance = draws.uniforms(0, 1, *images.shape[1:])
    # One number decides both: the lower half of those that fail turns black.
    failed = np.where(chance < share / 2, np.float32(0), np.float32(1))
    noisy: Images = np.where(chance < share, failed, images)
    return noisy
