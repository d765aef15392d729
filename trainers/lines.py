"""Read the lines of a file while it grows, and when another one takes its place."""

import os
from pathlib import Path
from typing import BinaryIO


class Lines:
    """What is added to a growing file.

    Args:
        path: The file; it may come later.
        is_log: Whether another file goes on where this one ends, and what is there
            already is passed over; else another file is told anew.
    """

    def __init__(self, path: Path, is_log: bool = False) -> None:
        self._path, self._is_log = path, is_log
        # Kept open: otherwise a new file might get the number of the old one.
        self._file = self._opened()
        if is_log and self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def read(self) -> list[bytes]:
        """The lines added since the last call, and all of a file that is new.

        A half-written one is left for a later call.
        """
        replaced = self._is_replaced()  # looked at first: then all of it is written
        lines = self._added() if self._is_log or not replaced else []
        if replaced:
            self.close()
            self._file = self._opened()
            lines += self._added()
        return lines

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def _is_replaced(self) -> bool:
        if self._file is None:
            return True
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False  # its last lines can still be read
        return not os.path.samestat(os.fstat(self._file.fileno()), there)

    def _added(self) -> list[bytes]:
        if self._file is None:
            return []
        content = self._file.read()
        end = content.rfind(b"\n") + 1
        self._file.seek(end - len(content), os.SEEK_CUR)
        return content[:end].splitlines(keepends=True)
