"""Tests of what is concluded from a dead run's folder."""

import pytest

from trainers.jobs.verdicts import Verdict, verdict
from trainers.status import Process, Status, Supervision

CLAIMED = 100.0
GONE = Process(pid=1, started=1.0)


def status(state, ended=None):
    return Status(state=state, created=1.0, ended=ended)


def watch(heartbeat=CLAIMED + 1, launcher=GONE, concluded=False):
    return Supervision(
        supervisor=GONE, launcher=launcher, heartbeat=heartbeat, concluded=concluded
    )


@pytest.mark.parametrize(
    ("written", "watched", "asked", "expected"),
    [
        (status("finished", 101.0), watch(), False, Verdict.AS_WRITTEN),
        (status("finished", 101.0), None, True, Verdict.AS_WRITTEN),
        (status("failed", 101.0), watch(), False, Verdict.AS_WRITTEN),
        (status("stopped", 101.0), watch(), True, Verdict.AS_WRITTEN),
        (status("stopped", 101.0), watch(concluded=True), False, Verdict.AS_WRITTEN),
        (status("stopped", 101.0), watch(), False, Verdict.FORCED),
        (status("running"), watch(), False, Verdict.LOST),
        (status("starting"), watch(), False, Verdict.LOST),
        (status("running"), watch(), True, Verdict.STOPPED),
        (status("queued"), None, True, Verdict.STOPPED),
        (status("queued"), None, False, Verdict.NEVER_BEGAN),
        (status("starting"), watch(launcher=None), False, Verdict.NEVER_BEGAN),
        # What an earlier start left does not count.
        (status("stopped", 99.0), watch(99.0), False, Verdict.NEVER_BEGAN),
        (status("failed", 99.0), None, False, Verdict.NEVER_BEGAN),
        (status("queued"), watch(99.0), False, Verdict.NEVER_BEGAN),
        (status("stopped", 99.0), watch(99.0), True, Verdict.STOPPED),
        # An end without a time is believed.
        (status("finished"), watch(), False, Verdict.AS_WRITTEN),
    ],
)
def test_verdicts(written, watched, asked, expected):
    assert verdict(written, watched, asked, CLAIMED) == expected
