"""Arrays of an .npz file, read a few rows at a time and never from a pickle."""

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from data.catalogue import DatasetError
from data.system_files import is_system_file

Layout = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, columns first, kind
_CHUNK = 2**23  # bytes of rows at a time
_MAX_WHOLE = 2**28  # bytes of an array that is read in one go
_MAX_HEADER = 10_000  # bytes, as NumPy has it; ours have 118
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # of a header's length, by version
_LOCAL_HEADER = struct.Struct("<26xHH")  # lengths of name and extra field at its end
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
            if name.endswith(".npy") and not any(map(is_system_file, name.split("/")))
        }

    def error(self, text: str) -> DatasetError:
        """An error that names the file."""
        return DatasetError(f"{self._label}: {text}")

    def _header(self, member: str) -> Header:
        name = member.removesuffix(".npy")
        try:
            with self._archive.open(member) as file:
                header = Header(name, *read_header(file))
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
                read_header(file)
                for begin in range(0, header.shape[0], step):
                    count = min(step, header.shape[0] - begin)
                    content = file.read(count * header.row_bytes)
                    rows = np.frombuffer(content, header.dtype)
                    yield rows.reshape(count, *header.shape[1:])
                file.read(1)
        except BROKEN as error:
            raise self.error(f"{header.name} cannot be read: {error}.") from None

    def some(self, header: Header, wanted: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Single rows of an array; of one that is not compressed, these alone are read.

        Args:
            header: What it is.
            wanted: Their numbers, ascending.

        Yields:
            Rows [...] in their order.

        Raises:
            DatasetError: If the array is damaged.
        """
        if header.columns_first and len(header.shape) > 1:
            yield from self.whole(header)[list(wanted)]
            return
        try:
            with self._archive.open(f"{header.name}.npy") as member:
                read_header(member)
                file, begin = self._values_of(member, header)
                for row in wanted:
                    file.seek(begin + row * header.row_bytes)
                    content = file.read(header.row_bytes)
                    yield np.frombuffer(content, header.dtype).reshape(header.shape[1:])
        except BROKEN as error:
            raise self.error(f"{header.name} cannot be read: {error}.") from None

    def _values_of(self, member: IO[bytes], header: Header) -> tuple[IO[bytes], int]:
        """Where values begin, and in which file: the archive's own if they are plain.

        Args:
            member: The array's file in the archive, read up to its values.
            header: What it is.
        """
        found = self._archive.getinfo(f"{header.name}.npy")
        archive = self._archive.fp
        if archive is None or found.compress_type != zipfile.ZIP_STORED:
            return member, member.tell()
        return archive, stored_at(archive, found) + member.tell()


def read_header(file: IO[bytes]) -> Layout:
    """Read what an array is, from the beginning of its file.

    A long header is refused unread: NumPy reads as much as a file says before it looks
    how much that is, and a few compressed bytes can say gigabytes.

    Args:
        file: Stands at the array's values afterwards.

    Raises:
        ValueError: If it is no header, or too long.
    """
    version = npy.read_magic(file)
    if version not in _LENGTH_BYTES:
        raise ValueError(f"it is of the unknown version {version}")
    length = file.read(_LENGTH_BYTES[version])
    size = int.from_bytes(length, "little")
    if size > _MAX_HEADER:
        raise ValueError(f"its header must have at most {_MAX_HEADER:,} bytes")
    content = io.BytesIO(length + file.read(size))
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, order, dtype = read(content)
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape must not be below 0, got {list(shape)}")
    return shape, order, dtype


def stored_at(file: IO[bytes], found: zipfile.ZipInfo) -> int:
    """Where the bytes of a member that is not compressed begin in its archive."""
    file.seek(found.header_offset)
    name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return found.header_offset + _LOCAL_HEADER.size + int(name + extra)
