"""How much an upload may be. Each limit is told where it is exceeded."""

import os
from dataclasses import dataclass

MEGABYTE = 2**20
UPLOAD_VARIABLE = "VOGN_MAX_UPLOAD"
KEPT_VARIABLE = "VOGN_MAX_UPLOADS"
DEFAULT_UPLOAD = 500  # MB; `.streamlit/config.toml` says the same


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused above.

    Args:
        upload: Bytes of an uploaded file.
        unpacked: Bytes that its members come to, and that the images take when they
            are kept, which is what a training holds in memory.
        kept: Bytes of all uploads together.
        members: Files in an archive.
        directory: Bytes of an archive's list of files, which is read in one go.
        ratio: Unpacked by packed bytes of a member larger than `small`.
        small: Bytes; what a small member unpacks to harms nobody.
        image: Bytes of one image's file.
        pixels: Pixels of one image.
        decoded: Pixels of all images as they come, which says how long it takes. It
            has nothing to do with bytes: a photograph has fewer than ten pixels a byte,
            a scanned page in black and white hundreds.
        free: Bytes that stay free on the disk.
    """

    upload: int = DEFAULT_UPLOAD * MEGABYTE
    unpacked: int = 4 * DEFAULT_UPLOAD * MEGABYTE
    kept: int = 20_000 * MEGABYTE
    members: int = 100_000
    directory: int = 32 * MEGABYTE
    ratio: int = 200
    small: int = MEGABYTE
    image: int = 100 * MEGABYTE
    pixels: int = 50_000_000
    decoded: int = 100_000_000_000
    free: int = 500 * MEGABYTE


def limits() -> Limits:
    """The limits here: `VOGN_MAX_UPLOAD` says how many MB an upload may have.

    It may unpack to four times as much. `VOGN_MAX_UPLOADS` is for all together.

    Raises:
        ValueError: If a variable is no whole number of megabytes above 0.
    """
    upload = _megabytes(UPLOAD_VARIABLE, Limits.upload)
    kept = _megabytes(KEPT_VARIABLE, Limits.kept)
    return Limits(upload=upload, unpacked=4 * upload, kept=kept)


def _megabytes(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"{variable} must be a whole number of megabytes > 0, got {text!r}."
        )
    return int(text) * MEGABYTE


def megabytes(size: float) -> str:
    """A number of bytes for people."""
    if size >= 1024 * MEGABYTE:
        return f"{size / (1024 * MEGABYTE):.1f} GB"
    return f"{size / MEGABYTE:.{0 if size >= 10 * MEGABYTE else 1}f} MB"
