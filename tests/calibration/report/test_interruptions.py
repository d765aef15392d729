"""Interruptions wait for the block to end, and are not lost."""

import signal
import threading

import pytest

from calibration.report.interruptions import held_back


def test_an_interruption_comes_after_the_block():
    ended = []

    def interrupted():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended == [True]


def test_handlers_are_as_before():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with held_back():
        pass
    after = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    assert after == before


def test_other_threads_leave_signals_alone():
    seen = []
    before = signal.getsignal(signal.SIGINT)

    def work():
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
