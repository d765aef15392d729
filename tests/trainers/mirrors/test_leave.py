"""Leaving when asked, and being ended when that takes too long."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.trainers.examples import wait_for
from trainers.mirrors.leave import Leave

HANGS = {
    "sleep": "time.sleep(60)",
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "loop": "\nwhile True:\n try: time.sleep(60)\n except Exception: pass",
}


def test_a_wish_ends_the_pause_and_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Leave("it") as leave:
        leave.pause(0.0)
        assert not leave.requested
        os.kill(os.getpid(), signal.SIGTERM)
        began = time.monotonic()
        leave.pause(60)
        assert leave.requested
        assert time.monotonic() - began < 30
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("hang", HANGS)
def test_what_hangs_is_ended(hang, tmp_path):
    ready = tmp_path / "ready"
    code = (
        "import pathlib, threading, time\n"
        "from trainers.mirrors.leave import Leave\n"
        "with Leave('mirror x', 0.2):\n"
        f"    pathlib.Path({str(ready)!r}).touch()\n"
        "    exec(" + repr(HANGS[hang]) + ")\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(ready.exists)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors == "mirror x did not come to an end within 0.2 seconds\n"
