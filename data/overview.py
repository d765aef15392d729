"""What somebody's own images are like: counts, sizes and a few to look at.

Bounded work, however large a folder is; what was left out is told.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.catalogue import DatasetError
from data.image_file import ImageFile
from data.listing import listed
from data.opening import FORMATS, PILLOW_ERRORS, READ_AS, upright_size
from data.own import is_image_file

MAX_FILES = 20_000  # images of a folder, that are counted
MAX_OPENED = 200  # images of a folder, whose size is looked at
MAX_SAMPLED = 20  # classes of which images are shown
THUMBNAIL = 96  # pixels of the longer side of what is shown

Size = tuple[int, int]
T = TypeVar("T")


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
        misplaced: What is wrong with a file or folder that a training would refuse, ""
            without one.
        more_classes: Classes that were not reached when the counting stopped.
        is_partial: Whether there are more images than were counted.
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
    misplaced: str = ""
    more_classes: int = 0
    is_partial: bool = False

    @property
    def num_classes(self) -> int:
        """All classes."""
        return len(self.class_names) + self.more_classes

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
    found = listed(path, MAX_FILES)
    if found.num_folders < 2:
        raise DatasetError(
            f"{path} must hold at least 2 sub-folders, one a class, got "
            f"{', '.join(found.images) or 'none'}."
        )
    if not found.images:  # among so many other files that they were not reached
        raise DatasetError(found.misplaced)
    seen = _looked_at(found.images, per_class)
    widths, heights = zip(*seen.sizes, strict=True) if seen.sizes else ((0,), (0,))
    return Overview(
        class_names=tuple(found.images),
        counts=tuple(len(paths) for paths in found.images.values()),
        smallest=(min(widths), min(heights)),
        median=(statistics.median_low(widths), statistics.median_low(heights)),
        largest=(max(widths), max(heights)),
        num_sizes=len(set(seen.sizes)),
        num_grey=seen.num_grey,
        num_opened=len(seen.sizes),
        samples=seen.samples,
        misplaced=found.misplaced,
        more_classes=found.num_folders - len(found.images),
        is_partial=found.is_partial,
    )


@dataclass
class _Seen:
    """What was found in the images that were opened."""

    sizes: list[Size] = field(default_factory=list)
    num_grey: int = 0
    samples: dict[str, list[NDArray[np.uint8]]] = field(default_factory=dict)


def _looked_at(images: Mapping[str, Sequence[Path]], per_class: int) -> _Seen:
    """Open some images of each class, or of some classes if there are very many."""
    seen = _Seen()
    chosen = _spread([name for name, paths in images.items() if paths], MAX_OPENED)
    share = MAX_OPENED // max(1, len(chosen))
    for place, name in enumerate(chosen):
        for number, file in enumerate(_spread(images[name], share)):
            with _opened(file) as picture:
                seen.sizes.append(upright_size(picture))
                seen.num_grey += _is_grey(picture)
                if place < MAX_SAMPLED and number < per_class:
                    seen.samples.setdefault(name, []).append(_thumbnail(picture))
    return seen


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Some of many, from the first to the last."""
    count = min(count, len(items))
    return [items[k * len(items) // count] for k in range(count)]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; what is found to be damaged while it is open is told of it."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            yield picture
    except PILLOW_ERRORS as error:
        raise DatasetError(f"{path} cannot be read as an image: {error}.") from None


def _is_grey(picture: Image.Image) -> bool:
    return READ_AS.get(picture.mode) == "L"


def _thumbnail(picture: Image.Image) -> NDArray[np.uint8]:
    """A picture as it is shown, small."""
    picture = ImageOps.exif_transpose(picture)
    picture = picture.convert("L" if _is_grey(picture) else "RGB")
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture, dtype=np.uint8)
