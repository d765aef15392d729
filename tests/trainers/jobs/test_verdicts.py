"""Tests of what is concluded from a dead run's folder."""

import pytest

from trainers.jobs.verdicts import Verdict, verdict
from trainers.status import Process, Status, Supervision

CLAIMED = 100.0
GONE = Process(pid=1, started=1.0)


def status(state):
    return Status(state=state, created=1.0)


def watch(start=CLAIMED, launcher=GONE, concluded=False):
    return Supervision(
        supervisor=GONE, launcher=launcher, start=start, concluded=concluded
    )


EARLIER = watch(start=CLAIMED - 50, concluded=True)


@pytest.mark.parametrize(
    ("written", "watched", "asked", "expected"),
    [
        ("finished", watch(), False, Verdict.AS_WRITTEN),
        ("finished", watch(), True, Verdict.AS_WRITTEN),
        ("failed", watch(), False, Verdict.AS_WRITTEN),
        ("stopped", watch(), True, Verdict.AS_WRITTEN),
        ("stopped", watch(concluded=True), False, Verdict.AS_WRITTEN),
        ("stopped", watch(), False, Verdict.FORCED),
        ("running", watch(), False, Verdict.LOST),
        ("starting", watch(), False, Verdict.LOST),
        ("running", watch(), True, Verdict.STOPPED),
        ("queued", None, True, Verdict.STOPPED),
        ("queued", None, False, Verdict.NEVER_BEGAN),
        ("starting", watch(launcher=None), False, Verdict.NEVER_BEGAN),
        # What an earlier start left does not count.
        ("stopped", EARLIER, False, Verdict.NEVER_BEGAN),
        ("queued", EARLIER, False, Verdict.NEVER_BEGAN),
        ("failed", EARLIER, True, Verdict.STOPPED),
    ],
)
def test_verdicts(written, watched, asked, expected):
    assert verdict(status(written), watched, asked, CLAIMED) == expected
