"""Opening a zip file of a stranger, and unpacking one image's file of it."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO

from data.catalogue import DatasetError
from data.npz import BROKEN
from data.uploads.limits import Limits, megabytes

_UTF8 = 0x800  # a flag of an entry
_CHUNK = 2**20


class Budget:
    """Counts what was unpacked in truth, whatever the archive says of itself."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._used, self._pixels = 0, 0

    def spend(self, size: int, name: str) -> None:
        """Count bytes.

        Args:
            size: How many were unpacked.
            name: From where.

        Raises:
            DatasetError: If that is too much.
        """
        self._used += size
        if self._used > self._limits.unpacked:
            raise DatasetError(
                f"The archive must unpack to at most {megabytes(self._limits.unpacked)}"
                f", got more at {name!r}."
            )

    def decode(self, pixels: int, name: str) -> None:
        """Count pixels, of which a few bytes can hold very many.

        Args:
            pixels: How many an image has.
            name: The image.

        Raises:
            DatasetError: If that is too many.
        """
        self._pixels += pixels
        if self._pixels > self._limits.decoded:
            raise DatasetError(
                "All images together must have at most "
                f"{self._limits.decoded / 1e9:g} thousand million pixels as they come, "
                f"got more at {name!r}."
            )


@contextmanager
def opened(source: BinaryIO, name: str, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose list of files is not too long to be read.

    Args:
        source: The file.
        name: What to call it in errors.
        limits: What is refused.

    Yields:
        The archive; its members are not checked yet.

    Raises:
        DatasetError: If it is no archive, or its list of files is too long.
    """
    file = _Listed(source, name, limits.directory)
    try:
        archive = zipfile.ZipFile(file)
    except DatasetError:
        raise
    except BROKEN as error:
        raise DatasetError(
            f"{name} must be a whole .zip or .npz file, but it cannot be read: {error}."
        ) from None
    file.most = None
    with archive:
        yield archive


class _Listed:
    """A file whose list of files, which `zipfile` reads in one go, may not be long.

    What an archive says of the length can be said in several places, of which different
    readers believe different ones. So it is looked at where it is read.

    Args:
        source: The file.
        name: What to call it in errors.
        most: Bytes of a piece that may be read, None for any number.
    """

    def __init__(self, source: BinaryIO, name: str, most: int | None) -> None:
        self._source, self._name, self.most = source, name, most
        source.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Read a piece; all that is left if no size is given.

        Raises:
            DatasetError: If it is too long.
        """
        if size < 0:
            here = self.tell()
            size = self.seek(0, 2) - here
            self.seek(here)
        if self.most is not None and size > self.most:
            raise DatasetError(
                f"{self._name} must have a list of files of at most "
                f"{megabytes(self.most)}, got {megabytes(size)}."
            )
        return self._source.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go elsewhere in the file."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file."""
        return self._source.tell()

    def seekable(self) -> bool:
        """Whether one can go elsewhere, which one can."""
        return True


def name_of(member: zipfile.ZipInfo) -> str:
    """The path of a member as it was written.

    The Mac writes UTF-8 and does not say so; what is not said is read as code page 437.
    """
    if member.flag_bits & _UTF8:
        return member.orig_filename
    try:
        return member.orig_filename.encode("cp437").decode()
    except UnicodeError:
        return member.orig_filename


def parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """The folders of a member, and its own name at the end."""
    return PurePosixPath(name_of(member)).parts


def read(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits, budget: Budget
) -> bytes:
    """Unpack one image's file into memory, counting what comes out.

    Args:
        archive: Where it is.
        member: The file.
        limits: What is refused.
        budget: Counts what all of them come to.

    Returns:
        Its content.

    Raises:
        DatasetError: If it is damaged or too large.
    """
    content = bytearray()
    try:
        with archive.open(member) as file:
            while piece := file.read(_CHUNK):
                budget.spend(len(piece), name_of(member))
                content += piece
                if len(content) > limits.image:
                    raise DatasetError(
                        f"{name_of(member)!r} must have at most "
                        f"{megabytes(limits.image)}, got more."
                    )
    except DatasetError:
        raise
    except Exception as error:  # zlib.error and whatever else damage leads to
        raise DatasetError(
            f"{name_of(member)!r} cannot be unpacked: {error}."
        ) from None
    return bytes(content)
