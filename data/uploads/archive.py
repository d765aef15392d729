"""What a zip file says of itself, checked before a byte of it is unpacked."""

import re
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO

from data.catalogue import DatasetError
from data.uploads.limits import Limits, megabytes

_IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNIX = 3  # the system in whose way an entry says what kind of file it is
_ENCRYPTED, _UTF8 = 0x1, 0x800  # flags of an entry
_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\x05\x06"
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_MOST_COMMENT = 2**16
_CHUNK = 2**20
BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError,
    RuntimeError, ValueError, struct.error,
)  # fmt: skip


class Budget:
    """Counts what was unpacked in truth, whatever the archive says of itself."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._used = 0

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
    size = _directory_size(source)
    if size > limits.directory:
        raise DatasetError(
            f"{name} must have a list of files of at most "
            f"{megabytes(limits.directory)}, got {megabytes(size)}."
        )
    source.seek(0)
    try:
        archive = zipfile.ZipFile(source)
    except BROKEN as error:
        raise DatasetError(
            f"{name} must be a whole .zip or .npz file, but it cannot be read: {error}."
        ) from None
    with archive:
        yield archive


def _directory_size(source: BinaryIO) -> int:
    """Bytes that the end of an archive says its list of files has, 0 without one."""
    length = source.seek(0, 2)
    begin = max(0, length - _MOST_COMMENT - _END.size)
    source.seek(begin)
    tail = source.read()
    place = tail.rfind(_END_MARK)
    if place < 0 or len(tail) < place + _END.size:
        return 0
    size: int = _END.unpack_from(tail, place)[5]
    before = place - _END64_PLACE.size
    if before >= 0 and tail[before : before + 4] == b"PK\x06\x07":
        where = _END64_PLACE.unpack_from(tail, before)[2]
        # Where it should be, and where `zipfile` looks if other bytes come first.
        for start in (where, begin + before - _END64.size):
            source.seek(max(0, min(start, length)))
            record = source.read(_END64.size)
            if len(record) == _END64.size and record[:4] == b"PK\x06\x06":
                size = max(size, _END64.unpack(record)[8])
    return size


def checked_members(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """The members of an archive that count, folders included.

    What systems leave behind (hidden files, `__MACOSX`, `Thumbs.db`) is passed over.

    Raises:
        DatasetError: If there are too many or too large ones, or one is not a plain
            file within the archive that can be read here.
    """
    members = archive.infolist()
    if len(members) > limits.members:
        raise DatasetError(
            f"The archive must hold at most {limits.members:,} files, got "
            f"{len(members):,}."
        )
    for member in members:
        _check_name(member)
        _check_kind(member)
        _check_size(member, limits)
    _check_total(members, limits)
    counting = [member for member in members if not _is_ignored(member)]
    _check_collisions(counting)
    return counting


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


def _check_name(member: zipfile.ZipInfo) -> None:
    """Refuse names that lead out of the archive.

    Raises:
        DatasetError: If this is one.
    """
    name = name_of(member)
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise DatasetError(
            f"A file's path must have no control characters, got {name[:200]!r}."
        )
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise DatasetError(f"A file's path must not be absolute, got {name[:200]!r}.")
    if "\\" in name:
        raise DatasetError(
            f"A file's path must have / between folders, got a backslash in "
            f"{name[:200]!r}."
        )
    if ".." in name.split("/"):
        raise DatasetError(
            f"A file's path must not climb out by .., got {name[:200]!r}."
        )


def _check_kind(member: zipfile.ZipInfo) -> None:
    """Refuse what is neither a file nor a folder, or cannot be unpacked here.

    Raises:
        DatasetError: If it is so.
    """
    name = name_of(member)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise DatasetError(f"{name!r} must be a file, got a symbolic link.")
    if member.create_system == _UNIX and kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise DatasetError(f"{name!r} must be a file or folder, got a special file.")
    if member.flag_bits & _ENCRYPTED:
        raise DatasetError(f"{name!r} must not be encrypted: pack without a password.")
    if member.compress_type not in _METHODS:
        raise DatasetError(
            f"{name!r} must be stored or compressed by deflate, got the zip method "
            f"{member.compress_type}."
        )


def _check_size(member: zipfile.ZipInfo, limits: Limits) -> None:
    """Refuse a member that unpacks to far more than it is.

    Raises:
        DatasetError: If it does.
    """
    size, packed = member.file_size, max(1, member.compress_size)
    if size > limits.small and size > limits.ratio * packed:
        raise DatasetError(
            f"{name_of(member)!r} must unpack to at most {limits.ratio} times its "
            f"size, got {size // packed} times: that is how a zip bomb looks."
        )


def _check_total(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    """Refuse members that come to too much.

    Raises:
        DatasetError: If they do.
    """
    total = sum(member.file_size for member in members)
    if total > limits.unpacked:
        raise DatasetError(
            f"The archive must unpack to at most {megabytes(limits.unpacked)}, got "
            f"{megabytes(total)}."
        )


def _check_collisions(members: list[zipfile.ZipInfo]) -> None:
    """Refuse paths that some systems would not tell apart.

    Raises:
        DatasetError: If there are two.
    """
    seen: dict[str, str] = {}
    for member in members:
        key = "/".join(parts(member)).casefold()
        if key in seen and not (member.is_dir() and seen[key] == name_of(member)):
            raise DatasetError(
                "Paths must differ by more than capitals, got "
                f"{seen[key]!r} and {name_of(member)!r}."
            )
        seen[key] = name_of(member)


def _is_ignored(member: zipfile.ZipInfo) -> bool:
    return any(
        part.startswith(".") or part.casefold() in _IGNORED for part in parts(member)
    )
