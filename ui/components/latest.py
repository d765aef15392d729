"""What was read of many files, the newest version of each.

Streamlit's caches hash their arguments anew with every look and keep old versions; for
a list of a thousand runs that is too slow and too much.
"""

from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

Stamp = tuple[int, int, int]
ABSENT: Stamp = (0, 0, 0)
MAX_FILES = 20_000


def stamp_of(path: Path) -> Stamp:
    """What changes whenever a file does: time, size, and identity when replaced."""
    try:
        stat = path.stat()
    except OSError:
        return ABSENT
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def bytes_before(path: Path, offset: int, count: int = 128) -> bytes:
    """The last bytes of what was read of a file that grows; b"" if it cannot be read.

    They tell a file that another one replaced, to which its number may have come back.
    """
    begin = max(0, offset - count)
    try:
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(offset - begin)
    except OSError:
        return b""


class Latest(Generic[T]):
    """Contents by file; one for all sessions.

    Args:
        limit: Most files to remember; the one that was read first is forgotten first.
    """

    def __init__(self, limit: int = MAX_FILES) -> None:
        self._limit = limit
        self._lock = Lock()
        self._known: dict[Path, tuple[Stamp, T]] = {}

    def get(self, path: Path, stamp: Stamp) -> T | None:
        """The content of a file as it was at that stamp, None if it is not known."""
        found = self._known.get(path)
        return found[1] if found is not None and found[0] == stamp else None

    def put(self, path: Path, stamp: Stamp, content: T) -> T:
        """Remember a content, and return it."""
        with self._lock:
            self._known.pop(path, None)
            self._known[path] = (stamp, content)
            while len(self._known) > self._limit:
                del self._known[next(iter(self._known))]
        return content
