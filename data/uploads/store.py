"""The folder of uploaded datasets: one file each, and what is told of it."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from data.cache import cache_folder
from data.catalogue import DatasetError
from data.npz import BROKEN, ArrayFile
from data.uploads.limits import KEPT_VARIABLE, Limits, megabytes
from data.uploads.names import MAX_NAME, NAME, numbered, safe_name

SUFFIX = ".npz"
ABOUT = "about"  # an array of the file: text, in JSON
_PART = ".part"  # what is not finished begins with a dot and ends so
_MAX_ABOUT = 2**22  # bytes of what is told of a dataset
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL)  # a disk that can give no room away


@dataclass(frozen=True)
class Upload:
    """An uploaded dataset.

    Args:
        path: Its file, which `--folder` takes.
        about: What was noted when it came: "source" (the file's name), "added" (seconds
            since 1970), "notes", "sizes"; see `data.uploads.keep`.
    """

    path: Path
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.stem

    @property
    def notes(self) -> list[str]:
        """What a person should know of it."""
        notes = self.about.get("notes", [])
        return [str(note) for note in notes] if isinstance(notes, list) else []


def uploads_folder() -> Path:
    """Where uploads are kept: `uploads` in the folder of datasets."""
    return cache_folder().absolute() / "uploads"


def listing() -> list[Upload]:
    """All uploads, by name; a damaged file is among them, with nothing told of it."""
    folder = uploads_folder()
    if not folder.is_dir():
        return []
    sweep(folder)
    found = [
        path for path in folder.iterdir()
        if path.suffix == SUFFIX and NAME.fullmatch(path.stem)
    ]  # fmt: skip
    return [Upload(path, read_about(path)) for path in sorted(found, key=_by_name)]


def _by_name(path: Path) -> str:
    return path.stem.casefold()


def find(name: str) -> Upload | None:
    """The upload of a name, None if there is none."""
    path = uploads_folder() / f"{name}{SUFFIX}"
    # Not by Path.is_file, which raises for a name that is too long for the disk.
    if not NAME.fullmatch(name) or not os.path.isfile(path):
        return None
    return Upload(path, read_about(path))


def read_about(path: Path) -> Mapping[str, Any]:
    """What was noted of a dataset, {} where there is nothing to be read."""
    try:
        found = path.stat()
    except OSError:
        return {}
    return _about(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _about(path: Path, *_stamp: int) -> Mapping[str, Any]:
    with suppress(DatasetError, ValueError, *BROKEN), zipfile.ZipFile(path) as archive:
        arrays = ArrayFile(archive, str(path))
        content = json.loads(str(arrays.whole(arrays.headers[ABOUT], _MAX_ABOUT)))
        return content if isinstance(content, dict) else {}
    return {}


def delete(name: str) -> None:
    """Delete an upload.

    Raises:
        DatasetError: If there is none of that name, or it cannot be deleted.
    """
    upload = find(name)
    if upload is None:
        raise DatasetError(f"There is no uploaded dataset {name[:MAX_NAME]!r}.")
    try:
        upload.path.unlink()
    except OSError as error:
        raise DatasetError(f"{upload.path} cannot be deleted: {error}") from None


@contextmanager
def adding(name: str, limits: Limits) -> Iterator[Path]:
    """A file to write a new dataset to, of which nothing is left after an exception.

    Args:
        name: What it will be called.
        limits: What is refused.

    Yields:
        Where to write: an empty file, locked as long as this goes on. `place` gives it
        its name.

    Raises:
        DatasetError: If the disk says no.
    """
    folder = uploads_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be made: {error}") from None
    sweep(folder)
    check_space(folder, 0, limits)
    unfinished = folder / f".{safe_name(name)}.{secrets.token_hex(4)}{_PART}"
    try:
        with _begun(unfinished):
            yield unfinished
    except OSError as error:
        raise DatasetError(f"The dataset cannot be kept: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _begun(unfinished: Path) -> Iterator[None]:
    """Make a file, and hold it so that nobody takes it for one of a killed server."""
    with _locked(unfinished.parent):  # or it would be swept before it is held
        file = unfinished.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
    with file:  # let go when it is closed, or the process is gone
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one who gives files of the folder their names, or takes them away."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed
        yield


def place(unfinished: Path, name: str) -> Path:
    """Give a finished file its name; a number goes behind one that is taken.

    Args:
        unfinished: What `adding` gave.
        name: What the dataset is called.

    Returns:
        Where it is now.
    """
    with _locked(unfinished.parent):
        base, number = safe_name(name), 1
        path = unfinished.with_name(f"{base}{SUFFIX}")
        while path.exists():
            number += 1
            path = unfinished.with_name(f"{numbered(base, number)}{SUFFIX}")
        return unfinished.replace(path)


def reserve(unfinished: Path, size: int, limits: Limits) -> None:
    """Take room for what will be written, so that others find it taken.

    Args:
        unfinished: What `adding` gave; it has the size from now on.
        size: Bytes.
        limits: What is refused.

    Raises:
        DatasetError: If there is no room.
        OSError: If the disk fails otherwise.
    """
    folder = unfinished.parent
    with _locked(folder):
        check_space(folder, size, limits)
        try:
            _allocate(unfinished, size)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise DatasetError(_no_room(folder, size, limits, "less")) from None


def _allocate(path: Path, size: int) -> None:
    """Give a file its size, and blocks of the disk for it where the system can."""
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):  # macOS has none
            try:
                # A longer file alone takes nothing: the disk would look as free to
                # the next one as to this.
                os.posix_fallocate(file.fileno(), 0, size)
                return
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
        file.truncate(size)


def _no_room(folder: Path, size: int, limits: Limits, got: str) -> str:
    wanted = megabytes(limits.free + size)
    return f"The disk of {folder} must have {wanted} free, got {got}."


def check_space(folder: Path, size: int, limits: Limits) -> None:
    """Refuse what would fill the disk, or go beyond what all uploads may have.

    Args:
        folder: Where uploads are kept.
        size: Bytes that will be written.
        limits: What is refused.

    Raises:
        DatasetError: If there is no room.
    """
    free = shutil.disk_usage(folder).free
    if free - size < limits.free:
        raise DatasetError(_no_room(folder, size, limits, megabytes(free)))
    kept = sum(map(_size, [*folder.glob(f"*{SUFFIX}"), *folder.glob(f".*{_PART}")]))
    if kept + size > limits.kept:
        raise DatasetError(
            f"All uploads together must have at most {megabytes(limits.kept)} "
            f"({KEPT_VARIABLE}), got {megabytes(kept + size)}: delete one."
        )


def _size(path: Path) -> int:
    """Bytes of a file, 0 if it is gone meanwhile."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def sweep(folder: Path) -> None:
    """Delete what a server that was killed left unfinished: what nobody holds."""
    left = list(folder.glob(f".*{_PART}"))
    if not left:
        return
    with suppress(OSError), _locked(folder):
        for path in left:
            with suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
