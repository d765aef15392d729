"""Tests of finding and ending the dispatcher."""

import signal

import pytest

from tests.trainers.examples import config, wait_for
from tests.trainers.jobs.conftest import dispatchers
from trainers.jobs.home import Home
from trainers.jobs.locks import FileLock, is_held
from trainers.jobs.start import ensure_dispatcher
from trainers.jobs.switch import dispatchers_of, end_dispatcher
from trainers.runs import RunError


def test_the_dispatcher_is_found_and_ended(engine):
    engine.home.prepare()
    assert dispatchers_of(engine.home) == []
    ensure_dispatcher(engine.home)
    wait_for(lambda: is_held(engine.home.dispatcher_lock))
    assert dispatchers_of(engine.home) == dispatchers(engine.home) != []
    assert end_dispatcher(engine.home)
    assert dispatchers(engine.home) == []
    assert not end_dispatcher(engine.home)


def test_one_that_just_begins_is_ended_too(engine):
    engine.home.prepare()
    ensure_dispatcher(engine.home)
    assert end_dispatcher(engine.home)
    assert not is_held(engine.home.dispatcher_lock)
    assert dispatchers(engine.home) == []


def test_a_person_may_start_the_next_one_at_once(engine):
    engine.home.prepare()
    ensure_dispatcher(engine.home)
    end_dispatcher(engine.home)
    assert not ensure_dispatcher(engine.home, by_person=False)
    engine.submit([config()])
    wait_for(lambda: dispatchers(engine.home), 5.0)


def test_the_dispatcher_of_another_home_is_left_alone(engine, tmp_path, monkeypatch):
    engine.home.prepare()
    ensure_dispatcher(engine.home)
    (process,) = wait_for(lambda: dispatchers(engine.home))
    other = Home(tmp_path / "other")
    assert not end_dispatcher(other)
    assert dispatchers(engine.home) == [process]


def test_one_that_does_not_end_is_killed_or_told(engine):
    engine.home.prepare()
    with FileLock(engine.home.dispatcher_lock) as lock:
        assert lock.acquire()
        lock.write("12345")
        with pytest.raises(RunError, match=r"\(process 12345\) does not end"):
            end_dispatcher(engine.home, patience=0.3)
    ensure_dispatcher(engine.home)
    (process,) = wait_for(lambda: dispatchers(engine.home))
    process.send_signal(signal.SIGSTOP)
    assert end_dispatcher(engine.home, patience=4.0)  # it may be killed at any time
    assert dispatchers(engine.home) == []
