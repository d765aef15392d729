"""Bringing images of one dataset to the size and colour of another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def adapt_images(
    images: NDArray[np.uint8], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Resize images and turn grey into RGB or back.

    Sizes change by bilinear interpolation, over all the pixels a smaller one covers;
    RGB turns grey by the luma of ITU-R 601; grey turns RGB by repetition.

    Args:
        images: [N, C, H, W] with C 1 or 3.
        shape: The (C, H, W) wanted, C 1 or 3.

    Returns:
        [N, *shape]; `images` themselves where they have that shape.

    Raises:
        ValueError: A C is neither 1 nor 3.
    """
    for channels in (images.shape[1], shape[0]):
        if channels not in {1, 3}:
            raise ValueError(f"channels must be 1 or 3, got {channels}.")
    if images.shape[1:] == shape:
        return images
    adapted = np.empty((len(images), *shape), dtype=np.uint8)
    for row, image in enumerate(images):
        adapted[row] = _adapt(image, shape)
    return adapted


def _adapt(image: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Adapt one image [C, H, W]."""
    channels, height, width = shape
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture = picture.convert("L" if channels == 1 else "RGB")
    return channels_first(picture.resize((width, height), Image.Resampling.BILINEAR))


def channels_first(picture: Image.Image) -> NDArray[Any]:
    """Turn a grey or RGB picture into an array [C, H, W]."""
    pixels = np.asarray(picture)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
