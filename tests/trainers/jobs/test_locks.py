"""Tests of locks between processes, with real ones."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from tests.trainers.examples import wait_for
from trainers.jobs.locks import FileLock, is_held

# Takes the lock, says so, and then does what its second word tells.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from trainers.jobs.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire()
child = None
if sys.argv[2] == "child":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid if child else 0, flush=True)
if sys.argv[2] == "leave":
    raise SystemExit
time.sleep(60)
"""

# Races for the lock at a given time; the one that has it says so and keeps it.
RACER = """
import sys, time
from pathlib import Path
from trainers.jobs.locks import FileLock
start = float(sys.argv[2])
lock = FileLock(Path(sys.argv[1]))
print("ready", flush=True)
while time.time() < start:
    pass
print("won" if lock.acquire(patience=0.3) else "lost", flush=True)
sys.stdin.read()
"""

PROBER = """
import sys, time
from pathlib import Path
from trainers.jobs.locks import is_held
path, seen = Path(sys.argv[1]), []
print("ready", flush=True)
deadline = time.monotonic() + 0.8
while time.monotonic() < deadline:
    seen.append(is_held(path))
print(len(seen), sum(seen), flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a folder" / "x.lock"


@pytest.fixture
def python():
    """Return how to start scripts that are gone after the test."""
    started = []

    def start(script, *words):
        command = [sys.executable, "-c", script, *map(str, words)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_lock_is_held_until_it_is_released(path):
    lock = FileLock(path)
    assert not is_held(path)
    assert not path.exists()  # to look makes nothing
    assert lock.acquire()
    assert is_held(path)
    assert lock.is_ours()
    assert not FileLock(path).acquire(patience=0)
    lock.release()
    lock.release()
    assert not is_held(path)
    assert not lock.is_ours()
    assert path.exists()
    assert FileLock(path).acquire(patience=0)


def test_a_lock_that_is_held_may_be_asked_for_again(path):
    lock = FileLock(path)
    assert lock.acquire()
    assert lock.acquire(patience=0)
    lock.release()
    assert not is_held(path)


def test_a_lock_ends_with_its_block_whatever_happens(path):
    def fail():
        with FileLock(path) as lock:
            assert lock.acquire()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not is_held(path)


def test_what_the_holder_writes_replaces_what_stood_there(path):
    with FileLock(path) as lock:
        assert lock.acquire()
        lock.write("a long line ü")
        lock.write("12")
        assert path.read_text() == "12"
    assert path.read_text() == "12"
    with FileLock(path) as lock:
        assert lock.acquire()
        assert path.read_text() == "12"


def test_patience_is_kept_and_rewarded(path):
    with FileLock(path) as holder:
        assert holder.acquire()
        begun = time.monotonic()
        assert not FileLock(path).acquire(patience=0.2)
        assert 0.2 <= time.monotonic() - begun < 2.0
        threading.Timer(0.2, holder.release).start()
        assert FileLock(path).acquire(patience=20.0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_ends_with_its_holder(path, python, number):
    holder = python(HOLDER, path, "sleep")
    assert holder.stdout.readline()
    assert is_held(path)
    assert not FileLock(path).acquire(patience=0.1)
    holder.send_signal(number)
    assert holder.wait(timeout=20) == -number
    assert not is_held(path)
    assert FileLock(path).acquire(patience=0)


def test_a_lock_ends_with_a_holder_that_forgets_it(path, python):
    holder = python(HOLDER, path, "leave")
    assert holder.wait(timeout=20) == 0
    assert not is_held(path)


def test_a_child_that_survives_the_holder_does_not_keep_the_lock(path, python):
    holder = python(HOLDER, path, "child")
    child = psutil.Process(int(holder.stdout.readline()))
    try:
        wait_for(lambda: "time.sleep" in " ".join(child.cmdline()))
        assert is_held(path)
        holder.kill()
        holder.wait(timeout=20)
        assert child.is_running()
        assert not is_held(path)
        assert FileLock(path).acquire(patience=0)
    finally:
        child.kill()
        psutil.wait_procs([child], timeout=10)


def test_a_removed_file_is_no_lock_any_more(path):
    with FileLock(path) as first, FileLock(path) as second:
        assert first.acquire()
        path.unlink()
        assert not is_held(path)
        assert not first.is_ours()
        assert second.acquire(patience=0)
        assert second.is_ours()
        assert not first.is_ours()  # another file has its name now
        first.release()
        assert is_held(path)


def test_a_file_that_is_removed_between_open_and_lock_is_not_taken(path, monkeypatch):
    real, removed = fcntl.flock, []

    def flock(file, mode):
        real(file, mode)
        if not removed:
            removed.append(path.unlink())

    monkeypatch.setattr(fcntl, "flock", flock)
    with FileLock(path) as lock:
        assert lock.acquire()
        assert removed == [None]
        assert lock.is_ours()


def test_no_descriptor_is_left_open(path):
    def count():
        return len(os.listdir("/proc/self/fd"))

    before = count()
    with FileLock(path) as holder:
        assert holder.acquire()
        for _ in range(20):
            assert is_held(path)
            assert not FileLock(path).acquire(patience=0)
        assert count() == before + 1
    for _ in range(20):
        assert not is_held(path)
    assert count() == before


def test_of_many_racing_processes_one_gets_the_lock(path, python):
    start = time.time() + 1.5
    racers = [python(RACER, path, start) for _ in range(6)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    results = sorted(racer.stdout.readline() for racer in racers)
    assert results == ["lost\n"] * 5 + ["won\n"]
    assert is_held(path)


def test_looking_neither_keeps_a_lock_away_nor_is_taken_for_a_holder(path, python):
    path.parent.mkdir()
    path.touch()
    probers = [python(PROBER, path) for _ in range(3)]
    for prober in probers:
        assert prober.stdout.readline() == "ready\n"
    looks = [list(map(int, p.stdout.readline().split())) for p in probers]
    assert all(count > 100 for count, _ in looks)
    assert [held for _, held in looks] == [0, 0, 0]
    # Now with somebody who wants it again and again.
    probers = [python(PROBER, path) for _ in range(3)]
    for prober in probers:
        assert prober.stdout.readline() == "ready\n"
    taken = 0
    while any(prober.poll() is None for prober in probers):
        with FileLock(path) as lock:
            assert lock.acquire()
            taken += 1
    assert taken > 20
