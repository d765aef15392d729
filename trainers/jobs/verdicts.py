"""What became of an active job whose processes are all gone. Pure.

The run folder may still tell of an earlier start, which does not count: the first act
of a supervisor is to write which start it is.
"""

from enum import Enum

from trainers.status import ENDED, STOPPED, Status, Supervision


class Verdict(Enum):
    """How a job ended."""

    AS_WRITTEN = "the run's own status says it"
    NEVER_BEGAN = "its supervisor was killed before it started anything"
    STOPPED = "a stop was asked for"
    LOST = "it ended without a word"
    FORCED = "it stopped in order, but because what is above it was killed"


def verdict(
    written: Status, watch: Supervision | None, asked: bool, claimed: float
) -> Verdict:
    """Judge from what is left in the run folder.

    Args:
        written: The status.
        watch: Who watched the run last.
        asked: Whether somebody asked for a stop.
        claimed: The start of the job that ended; see `Supervision.start`.

    Returns:
        The verdict.
    """
    if watch is None or watch.start != claimed:
        return Verdict.STOPPED if asked else Verdict.NEVER_BEGAN
    if written.state in ENDED:
        forced = written.state == STOPPED and not watch.concluded and not asked
        return Verdict.FORCED if forced else Verdict.AS_WRITTEN
    if asked:
        return Verdict.STOPPED
    return Verdict.LOST if watch.launcher else Verdict.NEVER_BEGAN
