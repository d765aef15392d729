"""Which pictures are opened, and how they come out, for every reader of images here."""

import struct
import zlib

from PIL import ExifTags, Image

# Pillow knows formats that run other programs, which a file's name does not tell.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

# What a picture of each mode is read as. Modes with more than 8 bits a channel are not
# here: Pillow would clip them.
READ_AS = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
}

# What Pillow raises on damaged files, by format; SyntaxError is its broken PNG.
PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,  # an exception where warnings are errors
)
_LYING = {5, 6, 7, 8}  # what cameras note that were turned by a quarter


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height of a picture once it is turned as the camera noted."""
    noted = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return (picture.height, picture.width) if noted in _LYING else picture.size


def is_transparent(picture: Image.Image) -> bool:
    """Say whether any pixel is less than opaque."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return False
    # Through RGBA, for a palette may list the alpha of each of its colours.
    return picture.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def on_white(picture: Image.Image) -> Image.Image:
    """A picture as it looks on white paper: as it is, unless it is transparent."""
    if not is_transparent(picture):
        return picture
    seen = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
