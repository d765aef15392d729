"""What an uploaded file holds, as it will be kept: names, labels, and its images."""

import statistics
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.catalogue import DatasetError
from data.image_file import ImageFile
from data.own import check_classes
from data.uploads import archive as zipped
from data.uploads.archive import Budget
from data.uploads.layout import MIN_IMAGES, Layout
from data.uploads.limits import Limits, megabytes
from data.uploads.pictures import Kind, fitted, kind_of, pixels_of

# What images of several sizes are brought to, if nobody says: the largest square that
# most of them fill.
SQUARES = (28, 32, 48, 64, 96, 128, 160, 224)
Progress = Callable[[float, str], object]
Pixels = NDArray[np.uint8]


class Content:
    """What will be written.

    Args:
        class_names: In label order.
        labels: Of the images, and of the test images; None where there are none.
        shape: Height, width and channels of an image.
        images: The images of the training part, or with True those of the test part.
        about: What is told of the dataset.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        labels: tuple[NDArray[np.int64], NDArray[np.int64] | None],
        shape: tuple[int, int, int],
        images: Callable[[bool], Iterable[Pixels]],
        about: dict[str, Any],
    ) -> None:
        self.class_names, self.labels, self.shape = class_names, labels, shape
        self.images, self.about = images, about

    @property
    def total(self) -> int:
        """How many images there are."""
        train, test = self.labels
        return len(train) + (0 if test is None else len(test))

    def num_bytes(self, within: Limits) -> int:
        """How many bytes the images take; DatasetError if that is too many."""
        height, width, channels = self.shape
        size = self.total * height * width * channels
        if size > within.unpacked:
            raise DatasetError(
                f"All images together must take at most {megabytes(within.unpacked)}, "
                f"got {megabytes(size)} for {self.total:,} of {width} x {height} "
                "pixels: choose a smaller size."
            )
        return size


def of_arrays(
    archive: zipfile.ZipFile, file_name: str, side: int | None, within: Limits
) -> Content:
    """The content of an .npz file."""
    file = ImageFile(archive, repr(file_name))
    _check_pixels(file, file_name, within)
    check_classes(file, repr(file_name), 2, MIN_IMAGES)
    height, width, channels = file.shape
    kinds = Counter({Kind(width, height, channels): len(file.labels)})
    size, notes = chosen_size(kinds, side)
    if file.test_labels is not None:
        notes.append("The file's own test part is kept as the test part.")
    return Content(
        file.class_names, (file.labels, file.test_labels), (size[1], size[0], channels),
        partial(_scaled, file, size), _about(kinds, notes),
    )  # fmt: skip


def _scaled(file: ImageFile, size: tuple[int, int], of_test: bool) -> Iterator[Pixels]:
    """The images of a part in a size: larger ones one by one, for they take memory."""
    height, width, _ = file.shape
    for chunk in file.chunks(of_test):
        if size == (width, height):
            yield chunk
        else:
            for image in chunk:
                yield fitted(Image.fromarray(image), size)[None]


def _check_pixels(file: ImageFile, file_name: str, within: Limits) -> None:
    """Refuse arrays of images that are too large; DatasetError if these are."""
    height, width, _ = file.shape
    if height * width > within.pixels:
        raise DatasetError(
            f"{file_name!r} must hold images of at most {within.pixels / 1e6:g} "
            f"million pixels, got {width} x {height}."
        )


def of_images(
    archive: zipfile.ZipFile,
    found: Layout,
    side: int | None,
    within: Limits,
    progress: Progress,
) -> Content:
    """The content of a zip of class folders. Each image is read twice.

    The first time says of what size they are, the second gives the pixels.
    """
    groups = [group for part in (found.images, found.test) for group in part]
    members = [member for group in groups for member in group]
    budget, kinds = Budget(within), Counter[Kind]()
    for number, member in enumerate(members):
        tell(progress, 0.3 * number / len(members), number, len(members), "Checking")
        content = zipped.read(archive, member, within, budget)
        name = zipped.name_of(member)
        kind = kind_of(content, name, within)
        budget.decode(kind.width * kind.height, name)
        kinds[kind] += 1
    size, notes = chosen_size(kinds, side)
    channels = max(kind.channels for kind in kinds)
    if len({kind.channels for kind in kinds}) > 1:
        grey = sum(count for kind, count in kinds.items() if kind.channels == 1)
        notes.append(f"{grey:,} grey images stand among those in colour, as grey RGB.")

    def images(of_test: bool) -> Iterator[Pixels]:
        again = Budget(within)
        for group in found.test if of_test else found.images:
            for member in group:
                content = zipped.read(archive, member, within, again)
                name = zipped.name_of(member)
                yield pixels_of(content, name, size, channels)[None]

    labels = _labels(found.images), _labels(found.test) if found.test else None
    about = _about(kinds, [*found.notes, *notes])
    shape = (size[1], size[0], channels)
    return Content(found.class_names, labels, shape, images, about)


def _labels(groups: Sequence[Sequence[Any]]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(groups)), [len(group) for group in groups])


def chosen_size(
    kinds: Counter[Kind], side: int | None
) -> tuple[tuple[int, int], list[str]]:
    """The width and height that images are brought to, and what to tell of it.

    Args:
        kinds: How many images there are of each kind.
        side: What was asked for, None for what suits.
    """
    sizes = {(kind.width, kind.height) for kind in kinds}
    if side is None and len(sizes) == 1:
        return sizes.pop(), []
    if side is None:
        shorter = statistics.median_low(
            min(kind.width, kind.height) for kind in kinds.elements()
        )
        side = max((s for s in SQUARES if s <= shorter), default=SQUARES[0])
    if sizes == {(side, side)}:
        return (side, side), []
    come = f"{len(sizes):,} sizes" if len(sizes) > 1 else "one size"
    return (side, side), [
        f"The images came in {come}; each was cut to a square and scaled to {side} x "
        f"{side} pixels."
    ]


def _about(kinds: Counter[Kind], notes: list[str]) -> dict[str, Any]:
    """What is told of the images as they came."""
    widths = sorted(kind.width for kind in kinds.elements())
    heights = sorted(kind.height for kind in kinds.elements())
    middle = len(widths) // 2
    return {
        "schema": 1,
        "notes": notes,
        "sizes": {
            "distinct": len({(kind.width, kind.height) for kind in kinds}),
            "min": [widths[0], heights[0]],
            "median": [widths[middle], heights[middle]],
            "max": [widths[-1], heights[-1]],
        },
        "grey": sum(count for kind, count in kinds.items() if kind.channels == 1),
    }


def tell(progress: Progress, share: float, done: int, total: int, what: str) -> None:
    """Tell how far it is, a hundred times in all."""
    if done % max(1, total // 100) == 0:
        progress(min(share, 1.0), f"{what} image {done:,} of {total:,}")
