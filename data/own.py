"""Somebody's own images: a folder with one sub-folder a class, or one .npz file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.arrays import Split
from data.catalogue import DatasetError
from data.classes import check_enough
from data.folder import count_images, read_folder
from data.image_file import ImageFile


@dataclass(frozen=True, eq=False)
class OwnImages:
    """Somebody's own images.

    Args:
        images: Of all classes, [N, C, H, W].
        test: The official test part, None where there is none.
        class_names: Names in label order.
    """

    images: Split
    test: Split | None
    class_names: tuple[str, ...]


def read_own(
    path: str | Path, *, min_classes: int = 2, min_images: int = 1
) -> OwnImages:
    """Read somebody's own images.

    Args:
        path: A folder as `read_folder` takes it, or a file for `data.image_file`.
        min_classes: How many classes there must be.
        min_images: How many images each must hold; of a file with a test part, one
            less.

    Returns:
        The images.

    Raises:
        DatasetError: If something is not as it should be; the message names it.
    """
    path = Path(path).expanduser()
    if not is_image_file(path):
        images, names = read_folder(
            path, min_classes=min_classes, min_images=min_images
        )
        return OwnImages(images, None, names)
    with ImageFile.opened(path) as file:
        check_classes(file, str(path), min_classes, min_images)
        test = file.test_labels
        return OwnImages(
            _read_part(file, file.labels),
            None if test is None else _read_part(file, test, test=True),
            file.class_names,
        )


def is_image_file(path: Path) -> bool:
    """Whether a path is that of one file with all images, to go by its name."""
    return path.suffix.lower() == ".npz" and not path.is_dir()


def check_classes(
    file: ImageFile, label: str, min_classes: int, min_images: int
) -> None:
    """Refuse a file with too few classes, or with too few images of one.

    Args:
        file: The file.
        label: What to call it in errors.
        min_classes: How many classes there must be.
        min_images: How many images each must hold; with a test part, one less.

    Raises:
        DatasetError: It is so.
    """
    names, test = file.class_names, file.test_labels
    if len(names) < min_classes:
        raise DatasetError(
            f"{label}: there must be at least {min_classes} classes, got {len(names)}."
        )
    minimum = max(1, min_images - (test is not None))
    try:
        check_enough(_counts(file.labels, names), names, minimum, "images")
        if test is not None:
            check_enough(_counts(test, names), names, 1, "test images")
    except ValueError as error:
        raise DatasetError(f"{label}: {error}") from None


def _counts(labels: NDArray[np.int64], names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.bincount(labels, minlength=len(names))


def _read_part(file: ImageFile, labels: NDArray[np.int64], test: bool = False) -> Split:
    """Read the images of one part into one array [N, C, H, W]."""
    height, width, channels = file.shape
    images = np.empty((len(labels), channels, height, width), dtype=np.uint8)
    begin = 0
    for chunk in file.chunks(test):
        rows = images[begin : begin + len(chunk)]
        rows[:] = chunk[:, None] if channels == 1 else chunk.transpose(0, 3, 1, 2)
        begin += len(chunk)
    return Split.whole(images, labels)


def count_own(path: str | Path) -> tuple[int, int | None]:
    """Count what `read_own` would read, without reading the pixels.

    Returns:
        The number of images, and that of the test part, None where there is none.

    Raises:
        DatasetError: If something is not as it should be.
    """
    path = Path(path).expanduser()
    if not is_image_file(path):
        return count_images(path), None
    with ImageFile.opened(path) as file:
        test = file.test_labels
        return len(file.labels), None if test is None else len(test)
