"""Pictures from strangers: what they may be, and how they come to fit a network.

A picture is judged by its own bytes, never by its name. Its size is looked at before
its pixels are; nothing of it is written to the disk.
"""

import base64
import binascii
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.adapt import adapt_images
from data.opening import PILLOW_ERRORS, on_white
from trainers.runs import RunError
from ui.components.images import channels_first

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
ENDINGS = ("png", "jpg", "jpeg", "webp", "bmp", "gif")
MAX_MEGABYTES = 8
MAX_BYTES, MAX_PIXELS = MAX_MEGABYTES * 2**20, 2**24
MARGIN = 0.08  # of the side, left free around a drawing that is cut out
_PREFIX = "data:image/png;base64,"
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class PictureError(RunError):
    """What was given is no picture that can be used."""


def decoded(content: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Read a picture: upright, its first frame, on white where it is transparent.

    Args:
        content: The file.
        formats: Which of `FORMATS` it may be.

    Returns:
        In mode "L" or "RGB".

    Raises:
        PictureError: If it is none of them, too large, or damaged.
    """
    if len(content) > MAX_BYTES:
        raise PictureError(f"A picture has at most {MAX_MEGABYTES} MB.")
    try:
        picture = Image.open(io.BytesIO(content), formats=formats)
    except _BOMBS:
        raise PictureError(_too_many()) from None
    except PILLOW_ERRORS:
        raise PictureError(
            f"This is no picture of a kind that is read here ({', '.join(formats)})."
        ) from None
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(_too_many())
    try:
        picture.load()
        return _plain(ImageOps.exif_transpose(picture))
    except PILLOW_ERRORS:
        raise PictureError("The picture is damaged: it cannot be read whole.") from None


def _too_many() -> str:
    return f"A picture has at most {MAX_PIXELS / 1e6:.0f} million pixels."


def _plain(picture: Image.Image) -> Image.Image:
    """Grey or RGB, without depth beyond bytes and without transparency."""
    if picture.mode.startswith("I"):  # 16 bits a pixel
        pixels = np.clip(np.asarray(picture, np.float64) / 257, 0, 255)
        return Image.fromarray(np.rint(pixels).astype(np.uint8))
    picture = on_white(picture)
    return picture.convert("L" if picture.mode in {"1", "L"} else "RGB")


def drawn(address: str) -> Image.Image:
    """Read what the drawing component gives, a data address of a PNG file.

    Raises:
        PictureError: If it is none.
    """
    if not address.startswith(_PREFIX) or len(address) > 2 * MAX_BYTES:
        raise PictureError("The drawing did not arrive as a picture.")
    try:
        content = base64.b64decode(address.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise PictureError("The drawing did not arrive whole.") from None
    return decoded(content, ("PNG",))


def fitted(
    picture: Image.Image, shape: tuple[int, int, int], *, invert: bool
) -> NDArray[np.uint8]:
    """Make a picture what a network takes.

    The largest middle part of the right proportions is scaled as the datasets are.

    Args:
        picture: In mode "L" or "RGB".
        shape: Channels, height and width of the input.
        invert: Whether light becomes dark.

    Returns:
        uint8 of `shape`.
    """
    _, height, width = shape
    side = min(picture.width / width, picture.height / height)
    size = max(1, round(side * width)), max(1, round(side * height))
    cut = ImageOps.fit(picture, size, Image.Resampling.NEAREST)  # crops, no scaling
    pixels = channels_first(np.asarray(ImageOps.invert(cut) if invert else cut))
    adapted: NDArray[np.uint8] = adapt_images(pixels[None], shape)[0]
    return adapted


def cut_out(picture: Image.Image) -> Image.Image:
    """A drawing on white paper in the middle of a square that it fills.

    Args:
        picture: Dark on white.

    Returns:
        A square; the picture as it is if nothing is drawn.
    """
    box = ImageOps.invert(picture.convert("L")).getbbox()
    if box is None:
        return picture
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    whole = round(side * (1 + 2 * MARGIN)) + 2
    paper = Image.new(picture.mode, (whole, whole), "white")
    place = (whole - (right - left)) // 2, (whole - (bottom - top)) // 2
    paper.paste(picture.crop(box), place)
    return paper


def is_light_on_dark(images: NDArray[np.uint8]) -> bool:
    """Whether grey images show light things before a dark ground.

    Args:
        images: Some images of a dataset, [K, H, W] or [K, H, W, 3].
    """
    if images.ndim == 4:
        return False
    edge = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    border = float(np.mean([side.mean() for side in edge]))
    return border < 64 and border < float(images.mean())
