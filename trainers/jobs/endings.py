"""How runs ended, read once: nearly all of a long list have ended for good."""

import os

from trainers.runs import Run
from trainers.status import FAILED, FINISHED, Status, observed

_Stamp = tuple[int, int, int]
_MAX_RUNS = 20_000


class Endings:
    """Final statuses as they were written, each until its file changes."""

    def __init__(self) -> None:
        self._known: dict[Run, tuple[_Stamp, Status]] = {}

    def observed(self, run: Run) -> Status:
        """The state of a run as it can be seen now; see `trainers.status.observed`.

        Args:
            run: The run.

        Returns:
            The same, without reading a file that told an end before.

        Raises:
            RunError: If the status file is missing or damaged.
        """
        stamp = _stamp(run)  # before the reading: a change in between is seen next time
        known = self._known.get(run)
        if known is not None and known[0] == stamp:
            return known[1]
        status = observed(run)
        # Others may be concluded from processes, which change without the file.
        if stamp is not None and status.state in (FINISHED, FAILED):
            if len(self._known) >= _MAX_RUNS:
                self._known.clear()
            self._known[run] = (stamp, status)
        return status


def _stamp(run: Run) -> _Stamp | None:
    """What changes whenever the status is written: it takes the place of the last."""
    try:
        stat = os.stat(run.status)
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
