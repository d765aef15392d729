"""What became of an active job whose processes are all gone. Pure.

The run folder may still tell of an earlier start: what was written before the job was
claimed does not count.
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
        claimed: Unix time at which this start of the job began.

    Returns:
        The verdict.
    """
    if watch is not None and watch.heartbeat < claimed:
        watch = None
    if written.state in ENDED and (written.ended or claimed) >= claimed:
        seen = watch is not None and watch.concluded
        forced = written.state == STOPPED and not seen and not asked
        return Verdict.FORCED if forced else Verdict.AS_WRITTEN
    if asked:
        return Verdict.STOPPED
    began = watch is not None and watch.launcher is not None
    return Verdict.LOST if began else Verdict.NEVER_BEGAN
