"""Tests of turning signals into stops."""
# ruff: noqa: PT012 - the signals must come inside the block

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.trainers.examples import wait_for
from trainers import stopping
from trainers.jobs.processes import is_alive
from trainers.stopping import SAME_WISH, StopSignal, end_children, handling


def send(number):
    os.kill(os.getpid(), number)


@pytest.fixture
def clock(monkeypatch):
    """Let the test say how late it is."""
    now = [100.0]
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    return now


def test_signals_are_handled_within_the_block_alone():
    signals, heard = (signal.SIGUSR1, signal.SIGHUP), []
    before = [signal.getsignal(number) for number in signals]

    def block():
        with handling(signals, lambda number, _: heard.append(number)):
            send(signal.SIGHUP)
            raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        block()
    assert heard == [signal.SIGHUP]
    assert [signal.getsignal(number) for number in signals] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_work_at_once(number):
    with StopSignal() as stop, pytest.raises(KeyboardInterrupt):
        send(number)
    assert stop.requested == number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_deferred_signal_waits_for_the_end_of_the_block(number):
    with StopSignal() as stop:
        reached = []
        with pytest.raises(KeyboardInterrupt), stop.deferred():
            send(number)
            reached.append(stop.requested)
        assert reached == [number]


def test_without_a_signal_nothing_happens():
    with StopSignal() as stop:
        with stop.deferred():
            pass
        assert stop.requested == 0


def test_after_the_interruption_the_end_can_be_written_in_peace(clock):
    with StopSignal() as stop:
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        clock[0] += 10
        send(signal.SIGINT)
        send(signal.SIGTERM)
    assert stop.requested == signal.SIGINT


def test_a_second_ctrl_c_is_not_patient(clock):
    with StopSignal() as stop, pytest.raises(KeyboardInterrupt), stop.deferred():
        send(signal.SIGINT)
        clock[0] += SAME_WISH + 0.1
        send(signal.SIGINT)
        pytest.fail("the second signal was put off")


def test_one_wish_that_arrives_twice_stays_patient(clock):
    reached = []
    with StopSignal() as stop, pytest.raises(KeyboardInterrupt), stop.deferred():
        send(signal.SIGINT)
        clock[0] += SAME_WISH / 2
        send(signal.SIGINT)
        reached.append(True)
    assert reached


def test_a_second_sigterm_stays_patient(clock):
    reached = []
    with StopSignal() as stop, pytest.raises(KeyboardInterrupt), stop.deferred():
        send(signal.SIGTERM)
        clock[0] += 10
        send(signal.SIGTERM)
        reached.append(True)
    assert reached


def test_an_error_in_the_block_goes_before_the_stop():
    with StopSignal() as stop, pytest.raises(ValueError, match="x"), stop.deferred():
        send(signal.SIGTERM)
        raise ValueError("x")


def test_a_stop_that_somebody_swallowed_is_not_forgotten():
    with StopSignal() as stop:
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), stop.deferred():
            pass


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with StopSignal():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before


def test_when_the_work_is_over_signals_only_wait(clock):
    with StopSignal() as stop:
        stop.settle()
        send(signal.SIGTERM)
        clock[0] += 10
        send(signal.SIGINT)
    assert stop.requested == signal.SIGTERM


def test_after_an_error_in_the_block_its_end_can_be_written_in_peace():
    with StopSignal() as stop:
        with pytest.raises(ValueError, match="x"), stop.deferred():
            raise ValueError("x")
        send(signal.SIGTERM)


def child(lines="", last="time.sleep(600)"):
    """Start a child, which has begun."""
    code = f"import signal, sys, time\n{lines}\nprint('here', flush=True)\n{last}"
    started = psutil.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with started.stdout:
        assert started.stdout.readline() == b"here\n"
    return started


def test_children_are_asked_first_and_killed_if_they_stay():
    polite = child("signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))")
    deaf = child("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    gone = child(last="sys.exit(3)")
    wait_for(lambda: not is_alive(gone))
    end_children([polite, deaf, gone], 2.0)
    codes = [each.returncode for each in (polite, deaf, gone)]
    assert codes == [7, -signal.SIGKILL, 3]
