"""Read a file of JSON lines while it grows, and notice when it is replaced."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO


class Tail:
    """The rows of a growing file.

    Args:
        path: The file; it may come later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Kept open: otherwise a new file might get the number of the old one.
        self._file: BinaryIO | None = None

    def read(self) -> list[dict[str, Any]]:
        """The rows added since the last call, or all rows of a file that is new.

        Damaged lines are passed over; a half-written one is left for a later call.
        """
        self._reopen()
        if self._file is None:
            return []
        content = self._file.read()
        end = content.rfind(b"\n") + 1
        self._file.seek(end - len(content), os.SEEK_CUR)
        rows = []
        for line in content[:end].splitlines():
            with suppress(ValueError, RecursionError):
                rows.append(json.loads(line))
        return [row for row in rows if isinstance(row, dict)]

    def _reopen(self) -> None:
        if self._file is not None and not self._is_replaced(self._file):
            return
        self.close()
        with suppress(FileNotFoundError):
            self._file = self._path.open("rb")

    def _is_replaced(self, file: BinaryIO) -> bool:
        try:
            return not os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False  # its last rows can still be read

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
