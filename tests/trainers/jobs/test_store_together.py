"""Tests of the job store in the hands of several threads, processes and hosts."""

import json
import random
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.trainers.examples import wait_for
from tests.trainers.jobs.stores import first, home_on, job, names, path
from trainers.jobs.schema import ACTIVE, ENDED, QUEUED
from trainers.jobs.store import Store
from trainers.runs import RunError

FOLDER = Path(__file__).parent


def test_two_clients_that_add_the_same_at_once(store, stores):
    """The second one is told, whichever it is, and one row is there."""
    other, told = stores(), []
    barrier = threading.Barrier(2)

    def add(which):
        for number in range(10):
            barrier.wait(20)
            try:
                which.add([job(f"{number}a"), job(f"{number}b")])
            except RunError as error:
                told.append(str(error))

    threads = [threading.Thread(target=add, args=(each,)) for each in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 10
    assert all("already" in each or "was faster" in each for each in told)
    assert len(store.queued()) == 20


def test_settings_are_set_by_many_at_once(store, stores):
    clients = [store, stores(), stores()]

    def change(client):
        for number in range(15):
            client.set("paused", str(number))

    threads = [threading.Thread(target=change, args=(each,)) for each in clients]
    failed = []
    threading_hook, threading.excepthook = threading.excepthook, failed.append
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = threading_hook
    assert failed == []
    assert store.setting("paused") == "14"


@contextmanager
def held_claim(store):
    """A claim of another host that is in the middle of its transaction."""
    begun, done = threading.Event(), threading.Event()

    def decide(queue, leases):
        begun.set()
        assert done.wait(20)
        return first(1)(queue, leases)

    claimed = []
    thread = threading.Thread(target=lambda: claimed.extend(store.claim("far", decide)))
    thread.start()
    assert begun.wait(20)
    try:
        yield claimed
    finally:
        done.set()
        thread.join()


@pytest.fixture
def shared(tmp_path):
    """Two clients of a store on PostgreSQL."""
    home = home_on("postgresql", tmp_path / "jobs")
    opened = [Store(home), Store(home)]
    yield opened
    for each in opened:
        each.close()


def test_a_host_passes_over_what_another_one_has_in_hand(shared):
    here, there = shared
    here.add([job("a"), job("b")])
    with held_claim(there) as claimed:
        here.add([job("c"), job("d")])
        near = here.claim("near", first(1))
        assert names(near) == ["c"]
    assert names(claimed) == ["a"]
    assert names(here.queued()) == ["b", "d"]


def test_a_move_waits_for_a_claim_and_is_not_lost(shared):
    here, there = shared
    here.add([job(name) for name in "abc"])
    with held_claim(there):
        mover = threading.Thread(target=here.arrange, args=(lambda queue: queue[::-1],))
        mover.start()
        mover.join(timeout=0.3)
        assert mover.is_alive()
    mover.join(timeout=20)
    assert names(here.queued()) == ["c", "b"]


def run_script(name, *words):
    done = subprocess.run(
        [sys.executable, "-m", f"tests.trainers.jobs.{name}", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=FOLDER.parents[2],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_many_processes_lose_and_double_nothing(home, store):
    """Four processes do all that can be done, at random, for two seconds."""
    told = run_script(
        "store_crowd", home.folder, home.url, 2.0, random.randrange(10**6)
    )
    rows = store.find(told["added"])
    assert set(rows) == set(told["added"])  # no job is lost, none was added twice
    assert len(told["added"]) == len(set(told["added"])) > 30
    for name, row in rows.items():
        assert row.starts == told["claimed"].count(name)
        assert (row.outcome == "stopped") == (name in told["cancelled"])
    assert len(set(told["cancelled"])) == len(told["cancelled"]) > 0
    active = [row for row in rows.values() if row.stage == ACTIVE]
    leased = [lease for host in told["hosts"] for lease in store.leases(host)]
    assert {lease.path for lease in leased} == {row.path for row in active}
    for row in active:  # each has the devices that it was promised
        devices = [lease.device for lease in leased if lease.path == row.path]
        assert len(devices) == row.num_processes
    places = [each.path for each in store.queued()]
    assert set(places) == {row.path for row in rows.values() if row.stage == QUEUED}
    ended = {row.path for row in rows.values() if row.stage == ENDED}
    assert ended == {*told["cancelled"], *told["settled"]}
    assert len(told["settled"]) > 0


def test_a_claim_that_is_killed_is_there_or_it_is_not(home, store):
    """One is killed before each of its statements and before its commit."""
    outcomes = run_script("store_killed", home.folder, home.url)
    assert set(map(str, outcomes)) == {"[]", "['a', 'b']"}
    assert outcomes[-1] == ["a", "b"]  # it was not killed
    assert len(outcomes) > 8
    assert wait_for(lambda: store.cancel(path("c")))  # nothing is locked
