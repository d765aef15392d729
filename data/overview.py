"""What somebody's own images are like: counts, sizes and a few to look at.

Bounded work, however large a folder is; what was left out is told.
"""

import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.catalogue import DatasetError
from data.folder import IGNORED, IMAGE_SUFFIXES, PILLOW_ERRORS
from data.image_file import ImageFile
from data.own import is_image_file

MAX_FILES = 20_000  # of a folder, that are counted
MAX_OPENED = 200  # of a folder, whose size is looked at
MAX_SAMPLED = 20  # classes of which images are shown
THUMBNAIL = 96  # pixels of the longer side of what is shown
SMALL = 20  # images of a class, below which its measures say little
UNEVEN = 3  # times the images of the smallest class

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What there is.

    Args:
        class_names: In label order.
        counts: Images of each class, without the test part's.
        test_counts: The same of the test part, () where there is none.
        smallest: Width and height that no image is below.
        median: The middle ones.
        largest: Those that no image is above.
        num_sizes: How many sizes there are among those that were opened.
        num_grey: How many of them are grey.
        num_opened: How many were opened.
        samples: A few images of each class, [H, W] or [H, W, 3].
        is_partial: Whether there are more than were counted.
    """

    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    test_counts: tuple[int, ...] = ()
    smallest: Size = (0, 0)
    median: Size = (0, 0)
    largest: Size = (0, 0)
    num_sizes: int = 1
    num_grey: int = 0
    num_opened: int = 0
    samples: Mapping[str, Sequence[NDArray[np.uint8]]] = field(default_factory=dict)
    is_partial: bool = False

    @property
    def total(self) -> int:
        """All images."""
        return sum(self.counts) + sum(self.test_counts)


def overview(path: str | Path, per_class: int = 4) -> Overview:
    """Look at somebody's own images.

    Args:
        path: A folder or a file, as for `data.own.read_own`.
        per_class: How many images of a class to show.

    Returns:
        What there is.

    Raises:
        DatasetError: If it is neither, or damaged.
    """
    path = Path(path)
    return (_of_file if is_image_file(path) else _of_folder)(path, per_class)


def cautions(found: Overview) -> list[str]:
    """What a person should know before training on it, in sentences."""
    told = []
    ordered = sorted(zip(found.counts, found.class_names, strict=True))
    (fewest, rarest), (most, commonest) = ordered[0], ordered[-1]
    if fewest and most >= UNEVEN * fewest:
        told.append(
            f"Uneven classes: {most:,} images of {commonest} and {fewest:,} of {rarest}"
            f", {most / fewest:.1f} times fewer. Accuracy will say most of the former."
        )
    small = sum(count < SMALL for count in found.counts)
    if small:
        told.append(
            f"Fewer than {SMALL} images in {small} of {len(ordered)} classes: what is "
            "measured of them is rough."
        )
    if found.num_sizes > 1:
        told.append(
            f"Images of {found.num_sizes} sizes: a training needs one. Pack the folder "
            "and upload it, which brings them to one size."
        )
    if 0 < found.num_grey < found.num_opened:
        told.append(
            f"{found.num_grey:,} of {found.num_opened:,} images are grey, the others "
            "in colour: a training needs all alike. An upload makes them so."
        )
    return told


def _of_file(path: Path, per_class: int) -> Overview:
    with ImageFile.opened(path) as file:
        names, (height, width, channels) = file.class_names, file.shape
        test = file.test_labels
        total = len(file.labels) + (0 if test is None else len(test))
        rows = _first_rows(file.labels, min(len(names), MAX_SAMPLED), per_class)
        images = file.take(rows)
        samples: dict[str, list[NDArray[np.uint8]]] = {}
        for row, image in zip(rows, images, strict=True):
            shown = _thumbnail(Image.fromarray(image))
            samples.setdefault(names[file.labels[row]], []).append(shown)
        return Overview(
            class_names=names,
            counts=_counts(file.labels, len(names)),
            test_counts=() if test is None else _counts(test, len(names)),
            smallest=(width, height),
            median=(width, height),
            largest=(width, height),
            num_grey=total if channels == 1 else 0,
            num_opened=total,
            samples={name: samples[name] for name in names if name in samples},
        )


def _counts(labels: NDArray[np.int64], num_classes: int) -> tuple[int, ...]:
    return tuple(int(k) for k in np.bincount(labels, minlength=num_classes))


def _first_rows(
    labels: NDArray[np.int64], num_classes: int, per_class: int
) -> list[int]:
    """The first rows of each class, in ascending order."""
    rows = [np.flatnonzero(labels == k)[:per_class] for k in range(num_classes)]
    return [int(row) for row in np.sort(np.concatenate(rows))]


def _of_folder(path: Path, per_class: int) -> Overview:
    if not path.is_dir():
        raise DatasetError(f"There is no folder or .npz file {path}.")
    files, is_partial = _files(path)
    if len(files) < 2:
        raise DatasetError(
            f"{path} must hold at least 2 sub-folders, one a class, got "
            f"{', '.join(files) or 'none'}."
        )
    share = max(1, MAX_OPENED // len(files))
    sizes: list[Size] = []
    grey = 0
    samples: dict[str, list[NDArray[np.uint8]]] = {}
    for place, (name, paths) in enumerate(files.items()):
        for number, file in enumerate(_spread(paths, share)):
            with _opened(file) as picture:
                sizes.append(_upright(picture))
                grey += picture.mode in {"1", "L", "LA"}
                if place < MAX_SAMPLED and number < per_class:
                    samples.setdefault(name, []).append(_thumbnail(picture))
    widths, heights = zip(*sizes, strict=True) if sizes else ((0,), (0,))
    middle = int(statistics.median_low(widths)), int(statistics.median_low(heights))
    return Overview(
        class_names=tuple(files),
        counts=tuple(len(paths) for paths in files.values()),
        smallest=(min(widths), min(heights)),
        median=middle,
        largest=(max(widths), max(heights)),
        num_sizes=len(set(sizes)),
        num_grey=grey,
        num_opened=len(sizes),
        samples=samples,
        is_partial=is_partial,
    )


def _files(folder: Path) -> tuple[dict[str, list[Path]], bool]:
    """The images of each sub-folder, and whether there are more."""
    found: dict[str, list[Path]] = {}
    left = MAX_FILES
    for entry in sorted(_visible(folder, MAX_FILES), key=lambda item: item.name):
        if not entry.is_dir():
            continue
        inner = [
            Path(item.path)
            for item in _visible(Path(entry.path), left)
            if Path(item.name).suffix.lower() in IMAGE_SUFFIXES
        ]
        found[entry.name] = sorted(inner)
        left -= len(inner)
        if left <= 0:
            return found, True
    return found, False


def _visible(folder: Path, limit: int) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            seen = (
                entry for entry in entries
                if not entry.name.startswith(".") and entry.name not in IGNORED
            )  # fmt: skip
            return list(islice(seen, limit))
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed: {error}") from None


def _spread(paths: Sequence[Path], count: int) -> Iterator[Path]:
    """Some of many, from the first to the last."""
    step = max(1, len(paths) // count)
    return islice(iter(paths[::step]), count)


def _opened(path: Path) -> Any:
    try:
        return Image.open(path)
    except PILLOW_ERRORS as error:
        raise DatasetError(f"{path} cannot be read as an image: {error}.") from None


def _upright(picture: Image.Image) -> Size:
    turned = picture.getexif().get(0x0112, 1) in {5, 6, 7, 8}
    return (picture.height, picture.width) if turned else picture.size


def _thumbnail(picture: Image.Image) -> NDArray[np.uint8]:
    """A picture as it is shown, small."""
    try:
        picture = ImageOps.exif_transpose(picture)
        grey = picture.mode in {"1", "L", "LA"}
        picture = picture.convert("L" if grey else "RGB")
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
    except PILLOW_ERRORS as error:
        raise DatasetError(f"An image cannot be read: {error}.") from None
    return np.asarray(picture, dtype=np.uint8)
