"""Locks that end with the process that holds them, whatever ended it."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

PATIENCE = 2.0  # seconds: somebody may just be looking whether the lock is held


class FileLock:
    """A lock on a file, held by this process alone.

    Children do not inherit it unless it is handed on to them. The file stays when the
    lock is released.

    Args:
        path: The lock file; made if need be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self, patience: float = PATIENCE) -> bool:
        """Take the lock; whether it was to be had within `patience` seconds."""
        if self._file is not None:
            return True  # a second descriptor would stand in the way of the first
        deadline = time.monotonic() + patience
        while True:
            self._file = _locked(self._path)
            if self._file is not None or time.monotonic() >= deadline:
                return self._file is not None
            time.sleep(0.02)

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def is_ours(self) -> bool:
        """Whether the file that this lock holds is still the one at its path."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except OSError:
            return False

    def handed_on(self) -> tuple[int, ...]:
        """The descriptor for `pass_fds`: a child that has it holds the lock as well."""
        return () if self._file is None else (self._file,)

    def write(self, text: str) -> None:
        """Replace what stands in the file, for people and other processes."""
        assert self._file is not None, "only the holder writes"
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: two that look at once do not take each other for a holder.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _locked(path: Path) -> int | None:
    """Open and lock the file that is at the path; None if somebody has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), path.stat()):
            return file  # not one that was removed between open and lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(file)
    return None
