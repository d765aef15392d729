"""Arrays of an .npz file, read a few rows at a time and never from a pickle."""

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from data.catalogue import DatasetError

_CHUNK = 2**23  # bytes of rows at a time
_MAX_WHOLE = 2**28  # bytes of an array that is read in one go
# The last ones are what NumPy makes of a header that is no Python, or nests too deep.
BROKEN = (
    OSError, ValueError, EOFError, LookupError, struct.error, zlib.error, RuntimeError,
    zipfile.BadZipFile, NotImplementedError, SyntaxError, tokenize.TokenError,
    MemoryError, OverflowError, TypeError,
)  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What an array of the file is, before its values are read."""

    name: str
    shape: tuple[int, ...]
    columns_first: bool
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Bytes of one example."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def num_bytes(self) -> int:
        """Bytes of all examples."""
        return math.prod(self.shape) * self.dtype.itemsize


class ArrayFile:
    """The arrays of an open .npz file.

    Args:
        archive: The file.
        label: What to call it in errors.

    Attributes:
        headers: What each array is, by name.

    Raises:
        DatasetError: If an array is damaged, or holds objects.
    """

    def __init__(self, archive: zipfile.ZipFile, label: str) -> None:
        self._archive, self._label = archive, label
        self.headers = {
            name.removesuffix(".npy"): self._header(name)
            for name in archive.namelist()
            if name.endswith(".npy")
        }

    def error(self, text: str) -> DatasetError:
        """An error that names the file."""
        return DatasetError(f"{self._label}: {text}")

    def _header(self, member: str) -> Header:
        name = member.removesuffix(".npy")
        try:
            with self._archive.open(member) as file:
                header = Header(name, *_read_header(file))
                rest = self._archive.getinfo(member).file_size - file.tell()
        except BROKEN as error:
            raise self.error(f"{name} cannot be read: {error}.") from None
        if header.dtype.hasobject:
            raise self.error(
                f"{name} must hold numbers or text, got Python objects, which are "
                "never read: they could run code."
            )
        if rest != header.num_bytes:
            raise self.error(
                f"{name} must hold {header.num_bytes} bytes for its shape "
                f"{list(header.shape)}, got {rest}."
            )
        return header

    def whole(self, header: Header, most: int | None = None) -> NDArray[Any]:
        """All of an array that is small.

        Args:
            header: What it is.
            most: Bytes that it may have; None for what images in the order of their
                columns may, which cannot be read in pieces.

        Returns:
            The array.

        Raises:
            DatasetError: If it is large or damaged.
        """
        size, limit = header.num_bytes, _MAX_WHOLE if most is None else most
        if size > limit:
            told = f"{header.name} must be at most {limit >> 20} MB"
            if most is None:
                told += ", or images in C's order as np.ascontiguousarray makes them"
            raise self.error(f"{told}, got {size >> 20} MB.")
        try:
            with self._archive.open(f"{header.name}.npy") as file:
                array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
                file.read(1)  # at the end is the check sum
        except BROKEN as error:
            raise self.error(f"{header.name} cannot be read: {error}.") from None
        return array

    def rows(self, header: Header) -> Iterator[NDArray[Any]]:
        """The rows of an array, some at a time.

        Yields:
            Rows [n, ...] in their order.

        Raises:
            DatasetError: If the array is damaged.
        """
        if header.columns_first and len(header.shape) > 1:
            yield self.whole(header)
            return
        step = max(1, _CHUNK // header.row_bytes)
        try:
            with self._archive.open(f"{header.name}.npy") as file:
                _read_header(file)
                for begin in range(0, header.shape[0], step):
                    count = min(step, header.shape[0] - begin)
                    content = file.read(count * header.row_bytes)
                    rows = np.frombuffer(content, header.dtype)
                    yield rows.reshape(count, *header.shape[1:])
                file.read(1)
        except BROKEN as error:
            raise self.error(f"{header.name} cannot be read: {error}.") from None


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, order, dtype = read(file)
    return shape, order, dtype
