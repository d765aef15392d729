"""Tests of telling the end of runs to a webhook: a real server in a thread."""

# ruff: noqa: F811 - a test takes the fixtures it imports as its arguments

import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.trainers.examples import run_of, wait_for
from tests.trainers.jobs.stores import names
from tests.trainers.jobs.webhooks import (  # noqa: F401 - most are fixtures
    all_told,
    announcer,
    end,
    home,
    quick,
    store,
    tick_until,
    webhook,
)
from trainers.jobs import announce
from trainers.jobs.announce import Announcer, announcement
from trainers.runs import RunError

# Tells what is due at an address until it is killed.
TELLING = """
import sys, time
from pathlib import Path
from trainers.jobs.announce import Announcer
from trainers.jobs.home import Home
from trainers.jobs.store import Store
announcer = Announcer(Store(Home(Path(sys.argv[1]))), "h", sys.argv[2])
while True:
    announcer.tick()
    time.sleep(0.05)
"""


def test_each_end_is_told_once(tmp_path, store, announcer, webhook):
    server, runs = webhook(), [run_of(tmp_path / name) for name in ("a", "b")]
    for run in runs:
        end(store, run, "stopped")
    end(store, run_of(tmp_path / "far"), host="another")
    telling = announcer(server.address + "/hook?x=1")
    assert telling.wanted
    tick_until(telling, all_told(store))
    for _ in range(5):
        telling.tick()
    assert [told["run"] for told in server.told] == ["a", "b"]
    assert server.told[0] == announcement(runs[0], "stopped")
    _, headers, _ = server.heard[0]
    assert headers["Content-Type"] == "application/json"
    assert names(store.unannounced("another")) == ["far"]


def test_without_an_address_nobody_is_told(tmp_path, store, announcer):
    end(store, run_of(tmp_path / "a"))
    silent = announcer(None)
    assert not silent.wanted
    silent.tick()
    assert silent._sending is None
    assert names(store.unannounced("h")) == ["a"]


def test_the_environment_names_the_address(store, monkeypatch):
    monkeypatch.setenv("VOGN_WEBHOOK", "http://somewhere/x")
    assert Announcer(store, "h").url == "http://somewhere/x"
    assert Announcer(store, "h", "").wanted is False


@pytest.mark.parametrize("bad", [500, 404, b"garbage\r\n\r\n", b"", 302, 307])
def test_a_failure_is_followed_by_another_attempt(
    tmp_path, store, announcer, webhook, bad, caplog
):
    server = webhook(bad, 204)
    end(store, run_of(tmp_path / "a"))
    tick_until(announcer(server.address), all_told(store))
    assert [method for method, _, _ in server.heard] == ["POST", "POST"]
    assert server.told[0] == server.told[1]
    assert len(caplog.records) == 1
    assert f"The end of run {tmp_path}/a was not told: " in caplog.text


def test_a_server_that_comes_up_later_is_told(tmp_path, store, announcer, webhook):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    end(store, run_of(tmp_path / "a"))
    telling = announcer(f"http://127.0.0.1:{port}")
    tick_until(telling, lambda: telling._attempts)
    assert names(store.unannounced("h")) == ["a"]
    server = webhook(port=port)
    tick_until(telling, all_told(store))
    assert [told["run"] for told in server.told] == ["a"]


def test_after_the_last_attempt_it_is_given_up(tmp_path, store, announcer, webhook):
    server = webhook(503)
    end(store, run_of(tmp_path / "a"))
    tick_until(announcer(server.address), all_told(store))
    assert len(server.told) == 1 + len(announce.DELAYS)


def test_an_attempt_waits_for_its_time_while_others_are_told(
    tmp_path, store, announcer, webhook, monkeypatch
):
    monkeypatch.setattr(announce, "DELAYS", (1000.0,))
    server = webhook(500, 200)
    end(store, run_of(tmp_path / "a"))
    telling = announcer(server.address)
    tick_until(telling, lambda: telling._attempts)
    end(store, run_of(tmp_path / "b"))
    tick_until(telling, lambda: names(store.unannounced("h")) == ["a"])
    for _ in range(5):
        telling.tick()
    telling._sending.join(20)
    assert [told["run"] for told in server.told] == ["a", "b"]


def test_a_run_that_ends_again_is_told_at_once(
    tmp_path, store, announcer, webhook, monkeypatch
):
    """What failed for its first end does not hold up its second one."""
    monkeypatch.setattr(announce, "DELAYS", (1000.0,))
    server, run = webhook(500, 200), run_of(tmp_path / "a")
    end(store, run, "failed")
    telling = announcer(server.address)
    tick_until(telling, lambda: telling._attempts)
    end(store, run, "finished")
    tick_until(telling, all_told(store))
    assert [told["state"] for told in server.told] == ["failed", "finished"]


def test_an_end_that_comes_while_one_is_told_is_not_lost(
    tmp_path, store, announcer, webhook
):
    server, run = webhook("hang", 200), run_of(tmp_path / "a")
    end(store, run, "failed")
    telling = announcer(server.address)
    tick_until(telling, lambda: server.told)
    end(store, run, "finished")  # resumed meanwhile, and done
    server.released.set()
    tick_until(telling, all_told(store))
    assert server.told[-1]["state"] == "finished"


def test_a_server_that_hangs_holds_up_no_tick(
    tmp_path, store, announcer, webhook, monkeypatch
):
    monkeypatch.setattr(announce, "TIMEOUT", 0.5)
    server = webhook("hang", 200)
    end(store, run_of(tmp_path / "a"))
    telling = announcer(server.address)
    telling.tick()
    wait_for(lambda: server.told)
    begun = time.monotonic()
    for _ in range(5):
        telling.tick()
    assert time.monotonic() - begun < 0.3
    assert len(server.told) == 1
    tick_until(telling, all_told(store))
    assert len(server.told) == 2


def ended(threads):
    for thread in threads:
        thread.join(20)
    return not any(thread.is_alive() for thread in threads)


def test_an_answer_without_end_holds_up_no_other(
    tmp_path, store, announcer, webhook, monkeypatch, caplog
):
    monkeypatch.setattr(announce, "DEADLINE", 0.3)
    server = webhook("drip", 200)
    for name in ("a", "b"):
        end(store, run_of(tmp_path / name))
    telling = announcer(server.address)
    tick_until(telling, all_told(store))
    assert [told["run"] for told in server.told] == ["a", "b", "a"]
    assert "a was not told: no whole answer within 0.3 seconds" in caplog.text
    assert len(caplog.records) == 1
    (late,) = telling._late
    assert late.is_alive()
    server.released.set()
    assert ended([late])


def test_answers_without_end_are_bounded(
    tmp_path, store, announcer, webhook, monkeypatch, caplog
):
    monkeypatch.setattr(announce, "DEADLINE", 0.2)
    monkeypatch.setattr(announce, "MAX_LATE", 2)
    server = webhook("drip")
    end(store, run_of(tmp_path / "a"))
    telling = announcer(server.address)
    tick_until(telling, all_told(store))  # given up, after four attempts
    assert len(server.told) == len(telling._late) == 2
    assert caplog.text.count("2 earlier messages still wait") == 2
    late = list(telling._late)
    server.released.set()
    assert ended(late)
    server.answers[:] = [200]
    end(store, run_of(tmp_path / "b"))
    tick_until(telling, all_told(store))
    assert [told["run"] for told in server.told] == ["a", "a", "b"]


def test_a_killed_announcer_leaves_it_to_the_next_one(
    tmp_path, home, store, announcer, webhook
):
    server = webhook("hang", 200)
    end(store, run_of(tmp_path / "a"))
    words = [sys.executable, "-c", TELLING, str(home.folder), server.address]
    first = subprocess.Popen(words)
    try:
        wait_for(lambda: server.told)  # it came, but the answer did not
    finally:
        first.kill()
        assert first.wait() == -signal.SIGKILL
    assert names(store.unannounced("h")) == ["a"]
    tick_until(announcer(server.address), all_told(store))
    assert [told["run"] for told in server.told] == ["a", "a"]


def test_what_was_told_is_not_told_again_while_the_store_fails(
    tmp_path, store, announcer, webhook, monkeypatch, caplog
):
    def fail(job):
        raise RunError("the job store: disk full")

    server = webhook()
    end(store, run_of(tmp_path / "a"))
    telling = announcer(server.address)
    with monkeypatch.context() as patch:
        patch.setattr(store, "announce", fail)
        tick_until(telling, lambda: caplog.text.count("disk full") >= 3)
        telling._sending.join(20)
    tick_until(telling, all_told(store))
    assert len(server.told) == 1
