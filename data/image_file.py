"""Images and labels in one .npz file, which people who have arrays make in a line.

`np.savez("mine.npz", images=images, labels=labels)` is enough. By name:

| array | what | other names |
|---|---|---|
| `images` | see below | `x_train`, `train_images`, `x`, `X`, `data` |
| `labels` | `[N]` whole numbers or text | `y_train`, `train_labels`, `y`, `targets` |
| `test_images`, `test_labels` | the official test part | `x_test`, `y_test` |
| `val_images`, `val_labels` | joins the training part | `x_val`, `y_val` |
| `class_names` | text `[C]`, by label from 0 | `classes`, `label_names` |

Images are `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]` with C 1 or 3: whole numbers
from 0 to 255, or fractions from 0 to 1. They are read a few at a time, and never
anything that could hold a pickle.
"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from data.catalogue import DatasetError
from data.classes import MAX_CLASSES, coded_labels
from data.npz import BROKEN, ArrayFile, Header

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_IMAGES = {
    TRAIN: ("images", "x_train", "X_train", "train_images", "x", "X", "data"),
    VALIDATION: ("val_images", "x_val", "X_val", "x_valid"),
    TEST: ("test_images", "x_test", "X_test"),
}
_LABELS = {
    TRAIN: ("labels", "y_train", "train_labels", "y", "Y", "targets", "target"),
    VALIDATION: ("val_labels", "y_val", "y_valid"),
    TEST: ("test_labels", "y_test"),
}
_NAMES = ("class_names", "classes", "label_names", "names")
_MAX_LABELS = 2**25  # bytes of labels, which are held several times while they are read
_MAX_TEXT = 4096  # bytes of a label or name that is text


class ImageFile:
    """An open .npz file of images and labels, checked but for its pixels.

    Args:
        archive: The file.
        label: What to call it in errors.

    Attributes:
        class_names: Names in label order.
        labels: Of the training part, with the validation part's, int64 [N].
        test_labels: The same of the test part, None where there is none.
        shape: Height, width and channels (1 or 3) of an image.

    Raises:
        DatasetError: If something is not as the module says.
    """

    def __init__(self, archive: zipfile.ZipFile, label: str) -> None:
        self._arrays = ArrayFile(archive, label)
        self._images = {part: self._pick(names) for part, names in _IMAGES.items()}
        self.shape = self._shape()
        raw = {
            part: self._raw_labels(part) for part, header in self._images.items()
            if header is not None
        }  # fmt: skip
        try:
            self.class_names, coded = coded_labels(raw, self._given_names())
        except ValueError as error:
            raise self._arrays.error(str(error)) from None
        parts = [coded[part] for part in (TRAIN, VALIDATION) if part in coded]
        self.labels = np.concatenate(parts)
        self.test_labels = coded.get(TEST)

    @classmethod
    @contextmanager
    def opened(cls, source: str | Path | BinaryIO, label: str = "") -> Iterator[Self]:
        """Open a file, and close it at the block's end.

        Args:
            source: A path, or an open file.
            label: What to call it in errors; by default its path.

        Yields:
            The open file.

        Raises:
            DatasetError: If it is no .npz file, or not as the module says.
        """
        label = label or str(source)
        try:
            archive = zipfile.ZipFile(source)
        except BROKEN as error:
            raise DatasetError(f"{label} must be an .npz file: {error}.") from None
        with archive:
            yield cls(archive, label)

    def chunks(self, test: bool = False) -> Iterator[NDArray[np.uint8]]:
        """The images in their order, some at a time.

        Args:
            test: Whether those of the test part, else the others.

        Yields:
            uint8 [n, H, W] if grey, [n, H, W, 3] if not.

        Raises:
            DatasetError: If pixels are damaged or out of range.
        """
        for part in (TEST,) if test else (TRAIN, VALIDATION):
            header = self._images[part]
            if header is not None:
                for rows in self._arrays.rows(header):
                    yield self._as_pixels(rows, header.name)

    def take(self, wanted: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Some images of the training part, by ascending row."""
        found: list[NDArray[np.uint8]] = []
        begin = 0
        for part in (TRAIN, VALIDATION):
            header = self._images[part]
            if header is not None:
                rows = range(begin, begin + header.shape[0])
                inner = [row - begin for row in wanted if row in rows]
                images = self._arrays.some(header, inner)
                found += [self._as_pixels(x[None], header.name)[0] for x in images]
                begin = rows.stop
        return found

    def _pick(self, names: Sequence[str]) -> Header | None:
        found = [
            self._arrays.headers[name] for name in names if name in self._arrays.headers
        ]
        return found[0] if found else None

    def _shape(self) -> tuple[int, int, int]:
        """Height, width and channels, alike in all parts."""
        first = self._images[TRAIN]
        if first is None:
            known = ", ".join(sorted(self._arrays.headers)) or "none"
            raise self._arrays.error(
                f"there must be an array images (or {', '.join(_IMAGES[TRAIN][1:])}), "
                f"got {known}."
            )
        shapes = {
            header.name: self._image_shape(header)
            for header in self._images.values()
            if header is not None
        }
        for name, shape in shapes.items():
            if shape != shapes[first.name]:
                raise self._arrays.error(
                    f"{name} must be of the size of {first.name}, "
                    f"{shapes[first.name]}, got {shape}."
                )
        return shapes[first.name]

    def _image_shape(self, header: Header) -> tuple[int, int, int]:
        if header.dtype.kind not in "buif":
            raise self._arrays.error(
                f"{header.name} must be whole numbers from 0 to 255 or fractions from "
                f"0 to 1, got {header.dtype}."
            )
        shape = header.shape
        if len(shape) == 4 and 0 not in shape:
            if shape[3] in {1, 3}:
                return shape[1], shape[2], shape[3]
            if shape[1] in {1, 3}:
                return shape[2], shape[3], shape[1]
        if len(shape) == 3 and 0 not in shape:
            return shape[1], shape[2], 1
        raise self._arrays.error(
            f"{header.name} must be of shape [N, H, W] or [N, H, W, 3], N images of H "
            f"by W pixels, got {list(shape)}."
        )

    def _raw_labels(self, part: str) -> NDArray[Any]:
        """Labels of a part as they stand in the file, [N]."""
        images = self._images[part]
        header = self._pick(_LABELS[part])
        assert images is not None
        if header is None:
            raise self._arrays.error(
                f"{_LABELS[part][0]} must be there beside {images.name}, got none of "
                f"{', '.join(_LABELS[part])}."
            )
        shape = header.shape[:1] if header.shape[1:] == (1,) else header.shape
        if shape != images.shape[:1]:
            raise self._arrays.error(
                f"{header.name} must be of shape [{images.shape[0]}], one label for "
                f"each of {images.name}, got {list(header.shape)}."
            )
        if header.dtype.kind not in "biuUS":
            raise self._arrays.error(
                f"{header.name} must be whole numbers or text, got {header.dtype}."
            )
        return self._text_or_numbers(header).reshape(-1)

    def _text_or_numbers(self, header: Header) -> NDArray[Any]:
        """All of labels or names, bytes decoded; DatasetError if they are too large."""
        if header.dtype.kind in "US" and header.dtype.itemsize > _MAX_TEXT:
            raise self._arrays.error(
                f"{header.name} must be text of at most {_MAX_TEXT:,} bytes each, got "
                f"{header.dtype.itemsize:,}."
            )
        return self._decoded(self._arrays.whole(header, _MAX_LABELS), header.name)

    def _decoded(self, values: NDArray[Any], name: str) -> NDArray[Any]:
        if values.dtype.kind != "S":
            return values
        try:
            return np.char.decode(values, "utf-8")
        except UnicodeDecodeError:
            raise self._arrays.error(
                f"{name} must be text in UTF-8, got other bytes."
            ) from None

    def _given_names(self) -> tuple[str, ...]:
        header = self._pick(_NAMES)
        if header is None:
            return ()
        if header.dtype.kind not in "US" or len(header.shape) != 1:
            raise self._arrays.error(
                f"{header.name} must be text of shape [C], one name a class, got "
                f"{header.dtype} of shape {list(header.shape)}."
            )
        if header.shape[0] > MAX_CLASSES:
            raise self._arrays.error(
                f"{header.name} must be of at most {MAX_CLASSES} classes, got "
                f"{header.shape[0]}."
            )
        return tuple(map(str, self._text_or_numbers(header)))

    def _as_pixels(self, rows: NDArray[Any], name: str) -> NDArray[np.uint8]:
        """Images of any kind as uint8 [n, H, W] or [n, H, W, 3]."""
        fractions = rows.dtype.kind == "f"
        top = 1 if fractions or rows.dtype.kind == "b" else 255
        low, high = rows.min(), rows.max()
        if not (low >= 0 and high <= top):  # which NaN is not, either
            kind = "fractions from 0 to 1" if fractions else "from 0 to 255"
            raise self._arrays.error(f"{name} must be {kind}, got {low!s} to {high!s}.")
        if top == 1:
            rows = np.round(rows.astype(np.float32) * 255)
        pixels = rows.astype(np.uint8)
        if pixels.ndim == 4 and pixels.shape[3] not in {1, 3}:
            pixels = pixels.transpose(0, 2, 3, 1)
        return pixels[..., 0] if pixels.shape[3:] == (1,) else pixels
