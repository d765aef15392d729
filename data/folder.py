"""Reader of the user's own images: a folder with one sub-folder a class.

Everything that would spoil a run is looked for before it starts, and the file or
folder at fault is named.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.adapt import channels_first
from data.arrays import Split
from data.catalogue import DatasetError
from data.opening import FORMATS, PILLOW_ERRORS, READ_AS, is_transparent
from data.system_files import is_system_file

IMAGE_SUFFIXES = frozenset({
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
})


def read_folder(
    folder: str | Path, *, min_classes: int = 2, min_images: int = 1
) -> tuple[Split, tuple[str, ...]]:
    """Read every image of every sub-folder.

    All must be of one size, and all grey or all in colour. Grey means 8-bit and 1-bit
    images; RGB means those with colours or a palette, CMYK included. An alpha channel
    is dropped where it is opaque throughout. Of several frames the first is read, and
    turned upright as the camera noted. Hidden files and `Thumbs.db` and its like are
    passed over. Anything else is a `DatasetError`.

    Args:
        folder: Holds the sub-folders.
        min_classes: How many sub-folders there must be.
        min_images: How many images each must hold.

    Returns:
        The images, uint8 [N, C, H, W] with C 1 or 3, sorted by class and file name; and
        the sorted names of the sub-folders, the classes.
    """
    classes = _class_folders(Path(folder).expanduser(), min_classes)
    files = [_image_files(class_folder, min_images) for class_folder in classes]
    labels = np.repeat(np.arange(len(classes)), [len(names) for names in files])
    images = _read_images([path for names in files for path in names])
    return Split.whole(images, labels), tuple(path.name for path in classes)


def count_images(folder: str | Path) -> int:
    """Count the images that `read_folder` would read, without opening them.

    A folder that is not as it should be is a `DatasetError`.
    """
    classes = _class_folders(Path(folder).expanduser(), 1)
    return sum(len(_image_files(class_folder, 1)) for class_folder in classes)


def _visible(folder: Path) -> list[Path]:
    """List a folder by name, without what the system put there."""
    return sorted(path for path in folder.iterdir() if not is_system_file(path.name))


def _class_folders(folder: Path, min_classes: int) -> list[Path]:
    """List the sub-folders.

    Raises:
        DatasetError: There are too few, or there is something else.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise DatasetError(
            f"{folder} {problem}; it should hold one sub-folder a class."
        )
    entries = _visible(folder)
    for path in entries:
        if not path.is_dir():
            raise DatasetError(beside(path))
    if len(entries) < min_classes:
        names = ", ".join(path.name for path in entries) or "none"
        raise DatasetError(
            f"{folder} must hold at least {min_classes} sub-folders, one a class, "
            f"got {names}."
        )
    return entries


def _image_files(class_folder: Path, min_images: int) -> list[Path]:
    """List the images of one class.

    Raises:
        DatasetError: There are too few, or there is something else.
    """
    paths = _visible(class_folder)
    for path in paths:
        wrong = misplaced(path, path.is_dir())
        if wrong:
            raise DatasetError(wrong)
    if len(paths) < max(1, min_images):
        raise DatasetError(
            f"{class_folder} must hold at least {max(1, min_images)} images, so that "
            f"each part of the data gets one, got {len(paths)}."
        )
    return paths


def beside(path: Path) -> str:
    """What is wrong with a file that lies beside the class folders."""
    return f"{path} lies beside the class folders; move it into one, or away."


def misplaced(path: Path, is_folder: bool) -> str:
    """What is wrong with something in a class folder.

    Args:
        path: Where it lies.
        is_folder: Whether it is a folder.

    Returns:
        A sentence; "" if nothing is, to go by its name.
    """
    if is_folder:
        return (
            f"{path} is a folder inside a class folder; give the folder whose "
            "sub-folders are the classes."
        )
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return (
            f"{path} must end in one of {', '.join(sorted(IMAGE_SUFFIXES))}, "
            f"got {path.suffix!r}."
        )
    return ""


def _read_images(paths: list[Path]) -> NDArray[np.uint8]:
    """Read images that are alike into one array [N, C, H, W].

    Raises:
        DatasetError: One differs from the first.
    """
    first = _read_image(paths[0])
    # Filled in place: a list stacked at the end would take twice the memory.
    images = np.empty((len(paths), *first.shape), dtype=np.uint8)
    for row, path in enumerate(paths):
        image = _read_image(path)
        if image.shape != first.shape:
            raise DatasetError(
                f"{path} is {_describe(image)}, but all images must be "
                f"{_describe(first)} as {paths[0]} is."
            )
        images[row] = image
    return images


def _describe(image: NDArray[np.uint8]) -> str:
    """Say what an image [C, H, W] is like."""
    channels, height, width = image.shape
    return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"


def _read_image(path: Path) -> NDArray[np.uint8]:
    """Read one image as [C, H, W].

    Raises:
        DatasetError: It is unreadable, transparent, or of a mode that is not read.
    """
    try:
        with Image.open(path, formats=FORMATS) as file:
            picture = ImageOps.exif_transpose(file)
    except PILLOW_ERRORS as error:
        raise DatasetError(f"{path} cannot be read as an image: {error}.") from error
    if picture.mode not in READ_AS:
        raise DatasetError(
            f"{path} must be an image with 8 bits a channel, got mode {picture.mode}."
        )
    if is_transparent(picture):
        raise DatasetError(f"{path} is transparent in places; fill its background.")
    return channels_first(picture.convert(READ_AS[picture.mode]))
