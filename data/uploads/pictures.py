"""One uploaded image: what it is, and its pixels. The content decides, not the name."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from data.catalogue import DatasetError
from data.opening import FORMATS, PILLOW_ERRORS, READ_AS, on_white, upright_size
from data.uploads.limits import Limits


@dataclass(frozen=True)
class Kind:
    """What an image is, by the beginning of its file.

    Args:
        width: In pixels, upright.
        height: In pixels, upright.
        channels: 1 if grey, 3 if in colour.
    """

    width: int
    height: int
    channels: int


def kind_of(content: bytes, name: str, limits: Limits) -> Kind:
    """Read what an image is, without its pixels.

    Args:
        content: Its file.
        name: What to call it in errors.
        limits: What is refused.

    Returns:
        What it is.

    Raises:
        DatasetError: If it is no image, or too large.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height, mode = *picture.size, picture.mode
            if width * height > limits.pixels:
                raise DatasetError(
                    f"{name!r} must have at most {limits.pixels / 1e6:g} million "
                    f"pixels, got {width} x {height}."
                )
            size = upright_size(picture)
    except PILLOW_ERRORS as error:
        raise DatasetError(_told(name, error)) from None
    if mode not in READ_AS:
        raise DatasetError(
            f"{name!r} must be an image with 8 bits a channel, got mode {mode}."
        )
    return Kind(*size, 1 if READ_AS[mode] == "L" else 3)


def pixels_of(
    content: bytes, name: str, size: tuple[int, int], channels: int
) -> NDArray[np.uint8]:
    """Decode an image, whole.

    Args:
        content: Its file.
        name: What to call it in errors.
        size: Width and height wanted. What is too wide or too high for them is cut off
            on both sides alike, the rest is scaled.
        channels: 1 for grey, 3 for colour.

    Returns:
        [H, W] if grey, [H, W, 3] if not. What is transparent is white.

    Raises:
        DatasetError: If it is damaged.
    """
    mode = "L" if channels == 1 else "RGB"
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as file:
            # A photograph is decoded at a half, a quarter or an eighth of its size, if
            # that is still twice what is wanted.
            file.draft(None, (2 * size[0], 2 * size[1]))
            picture = ImageOps.exif_transpose(file)  # which reads all pixels
            picture = on_white(picture).convert(mode)
    except PILLOW_ERRORS as error:
        raise DatasetError(_told(name, error)) from None
    return fitted(picture, size)


def fitted(picture: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The pixels of a picture, cut and scaled to a size."""
    if picture.size != size:
        picture = ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.uint8)


def _told(name: str, error: Exception) -> str:
    """Say that a file is no image, or damaged, without Pillow's name of a buffer."""
    if isinstance(error, UnidentifiedImageError):
        known = ", ".join(FORMATS)
        return f"{name!r} must be an image ({known}), got something else."
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"{name!r} must have fewer pixels: {error}"
    return f"{name!r} must be a whole image, got a damaged one: {error}."
