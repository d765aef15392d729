"""Real images to corrupt, and random numbers to do it with."""

import numpy as np
from PIL import Image

from data.bundled import digits, photo_patches
from data.corruptions.draws import Draws

COUNT = 40


def grey_28():
    """Digits enlarged to uint8 [N, 1, 28, 28]."""
    pictures = (Image.fromarray(image[0]) for image in digits().inputs[:COUNT])
    large = [np.asarray(each.resize((28, 28))) for each in pictures]
    return np.stack(large)[:, np.newaxis]


def colour_32():
    return photo_patches().inputs[:COUNT]


def floats(images):
    return images.astype(np.float32) / 255


def draws(count, kind="a kind", seed=0):
    return Draws(seed, kind, range(count))
