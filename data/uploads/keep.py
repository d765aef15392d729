"""From an uploaded file to a dataset: check, decode, bring to one size, keep."""

import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from data.catalogue import DatasetError
from data.uploads import archive as zipped
from data.uploads.contents import Content, Progress, of_arrays, of_images, tell
from data.uploads.layout import layout
from data.uploads.limits import Limits, limits, megabytes
from data.uploads.rules import checked_members
from data.uploads.store import (
    ABOUT,
    Upload,
    adding,
    place,
    read_about,
    reserve,
)

MIN_SIDE, MAX_SIDE = 8, 1024  # pixels


def keep(
    source: BinaryIO,
    file_name: str,
    *,
    name: str = "",
    side: int | None = None,
    progress: Progress | None = None,
    within: Limits | None = None,
) -> Upload:
    """Check an uploaded file, and keep it as a dataset.

    Args:
        source: The file, a zip of class folders or an .npz as `data.image_file` tells.
        file_name: What it was called; only the error messages and the name rely on it.
        name: What the dataset is called; by default as the file.
        side: Pixels of the square that images are brought to; None leaves images of
            one size as they are, and chooses one for others.
        progress: Told the share that is done and what is being done.
        within: What is refused; by default what `limits` says.

    Returns:
        The dataset.

    Raises:
        DatasetError: If the file is not as it should be. Then nothing is kept.
    """
    within, progress = within or limits(), progress or _nobody
    if side is not None and not MIN_SIDE <= side <= MAX_SIDE:
        raise DatasetError(
            f"The side must be from {MIN_SIDE} to {MAX_SIDE} pixels, got {side}."
        )
    size = source.seek(0, 2)
    if not 0 < size <= within.upload:
        raise DatasetError(
            f"{file_name!r} must have at most {megabytes(within.upload)} and not be "
            f"empty, got {megabytes(size)}."
        )
    title = name or Path(file_name).stem
    with adding(title, within) as unfinished:
        with zipped.opened(source, repr(file_name), within) as archive:
            members = checked_members(archive, within)
            progress(0.0, "Looking at the files")
            if any(member.filename.endswith(".npy") for member in members):
                content = of_arrays(archive, file_name, side, within)
            else:
                content = of_images(archive, layout(members), side, within, progress)
            content.about |= {"source": file_name[:200], "added": time.time()}
            reserve(unfinished, content.num_bytes(within), within)
            _write(unfinished, content, progress)
        path = place(unfinished, title)
    return Upload(path, read_about(path))


def _write(path: Path, content: Content, progress: Progress) -> None:
    """Write the file that `data.image_file` reads, image by image."""
    with path.open("r+b") as file:  # "w" would give back the room that was taken
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            _write_arrays(archive, content, progress)
        file.truncate()


def _write_arrays(
    archive: zipfile.ZipFile, content: Content, progress: Progress
) -> None:
    done = 0
    for number, labels in enumerate(content.labels):
        if labels is None:
            continue
        prefix = "test_" if number else ""
        with _array(archive, f"{prefix}images", len(labels), content.shape) as file:
            for pixels in content.images(bool(number)):
                file.write(np.ascontiguousarray(pixels).tobytes())
                done += len(pixels)
                share = 0.3 + 0.7 * done / content.total
                tell(progress, share, done, content.total, "Decoding")
        _small(archive, f"{prefix}labels", labels)
    _small(archive, "class_names", np.array(content.class_names))
    _small(archive, ABOUT, np.array(json.dumps(content.about)))


@contextmanager
def _array(
    archive: zipfile.ZipFile, name: str, count: int, shape: tuple[int, int, int]
) -> Iterator[Any]:
    """An array of images that is written row by row."""
    height, width, channels = shape
    whole = (count, height, width, 3) if channels == 3 else (count, height, width)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": whole}
        npy.write_array_header_1_0(file, header)
        yield file


def _small(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w") as file:
        npy.write_array(file, values, allow_pickle=False)


def _nobody(share: float, text: str) -> None:
    """Tell nobody how far it is."""
