"""What a zip file says of itself, checked before a byte of it is unpacked."""

import re
import stat
import unicodedata
import zipfile

from data.catalogue import DatasetError
from data.system_files import is_system_file
from data.uploads.archive import name_of, parts
from data.uploads.limits import Limits, megabytes

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNIX = 3  # the system in whose way an entry says what kind of file it is
_ENCRYPTED = 0x1  # a flag of an entry


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
    counting = [m for m in members if not any(map(is_system_file, parts(m)))]
    _check_collisions(counting)
    return counting


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
