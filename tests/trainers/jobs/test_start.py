"""Tests of how the dispatcher comes to be."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.trainers.examples import wait_for
from tests.trainers.jobs.conftest import dispatchers
from trainers.jobs import start
from trainers.jobs.locks import is_held
from trainers.jobs.processes import ROLE
from trainers.jobs.start import ensure_dispatcher, spawn


def removed(folder):
    """Remove a folder in which somebody may just be writing; whether it is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_a_dispatcher_is_started_once(engine):
    engine.home.prepare()
    with ThreadPoolExecutor(8) as many:
        assert all(many.map(lambda _: ensure_dispatcher(engine.home), range(8)))
    wait_for(lambda: is_held(engine.home.dispatcher_lock))
    ensure_dispatcher(engine.home)
    wait_for(lambda: len(dispatchers(engine.home)) == 1)
    (dispatcher,) = dispatchers(engine.home)
    assert engine.home.dispatcher_lock.read_text() == str(dispatcher.pid)


def test_of_many_dispatchers_one_stays(engine):
    engine.home.prepare()
    variables = engine.home.environment() | {ROLE: "dispatcher"}
    log = engine.home.dispatcher_log
    many = [spawn("trainers.jobs.dispatcher", [], variables, log) for _ in range(4)]
    ended = wait_for(lambda: sum(p.poll() is not None for p in many) == 3)
    assert ended
    assert sorted(p.poll() is None for p in many) == [False, False, False, True]
    assert {p.returncode for p in many} == {0, None}
    (stays,) = [p for p in many if p.returncode is None]
    stays.terminate()
    assert stays.wait(timeout=20) == 0
    assert not is_held(engine.home.dispatcher_lock)


def test_it_lives_in_a_session_of_its_own_and_survives_its_starter(engine):
    engine.home.prepare()
    code = "from trainers.jobs.home import Home\nfrom trainers.jobs.start import *\n"
    code += "ensure_dispatcher(Home.here())"
    subprocess.run([sys.executable, "-c", code], check=True)
    (dispatcher,) = wait_for(lambda: dispatchers(engine.home))
    wait_for(lambda: is_held(engine.home.dispatcher_lock))
    assert os.getsid(dispatcher.pid) == dispatcher.pid
    assert os.getsid(0) != dispatcher.pid


def test_one_that_was_switched_off_is_started_by_people_only(engine):
    engine.home.prepare()
    engine.home.switched_off.touch()
    assert not ensure_dispatcher(engine.home, by_person=False)
    assert not is_held(engine.home.dispatcher_lock)
    assert ensure_dispatcher(engine.home)
    assert not engine.home.switched_off.exists()
    wait_for(lambda: is_held(engine.home.dispatcher_lock))


def test_settings_under_which_nothing_can_start_start_no_dispatcher(
    engine, monkeypatch
):
    engine.home.prepare()
    monkeypatch.setenv("VOGN_CPU_SLOTS", "x")
    assert not ensure_dispatcher(engine.home, by_person=False)
    with pytest.raises(ValueError, match="VOGN_CPU_SLOTS must be"):
        ensure_dispatcher(engine.home)
    assert not engine.home.booting.exists()
    assert dispatchers(engine.home) == []


def test_a_keeper_starts_it_again(engine, monkeypatch):
    monkeypatch.setattr(start, "WATCH_INTERVAL", 0.2)
    engine.home.prepare()
    start.keep_dispatcher(engine.home)
    (first,) = wait_for(lambda: dispatchers(engine.home))
    wait_for(lambda: is_held(engine.home.dispatcher_lock))
    first.kill()
    wait_for(lambda: [p for p in dispatchers(engine.home) if p.pid != first.pid])


@pytest.mark.parametrize("whole", [True, False])
def test_it_ends_with_its_folder_or_lock(engine, whole):
    engine.home.prepare()
    ensure_dispatcher(engine.home)
    wait_for(lambda: is_held(engine.home.dispatcher_lock))
    (dispatcher,) = dispatchers(engine.home)
    if whole:
        wait_for(lambda: removed(engine.home.folder))
    else:
        engine.home.dispatcher_lock.unlink()
    began = time.monotonic()
    wait_for(lambda: not dispatcher.is_running() or dispatcher.status() == "zombie")
    assert time.monotonic() - began < 10
