"""Tests of telling the end of runs to a webhook: a real server in a thread."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.trainers.examples import run_of, wait_for
from tests.trainers.jobs.stores import names
from trainers.jobs import announce
from trainers.jobs.announce import Announcer, announcement, post
from trainers.jobs.home import Home
from trainers.jobs.store import Job, Store
from trainers.runs import Run, RunError
from trainers.status import Status, write_status

METRICS = {"accuracy": 0.91234, "nll": 0.25, "ece": 0.01}

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


class Handler(BaseHTTPRequestHandler):
    """Answers with a status or not in HTTP, hangs or drips until released."""

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(("POST", self.headers, json.loads(content)))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == "hang":
            self.server.released.wait(20)
            self.close_connection = True
        elif answer == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self.server.released.wait(0.02):
                self.wfile.write(b"x")
            self.close_connection = True
        elif isinstance(answer, bytes):
            self.wfile.write(answer)
            self.close_connection = True
        else:
            self.send_response(answer)
            self.send_header("Location", self.server.address + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def do_GET(self):
        self.server.heard.append(("GET", self.headers, None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass


class Webhook(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.answers, self.heard = list(answers), []
        self.released = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def told(self):
        """The contents that came, in their order."""
        return [content for _, _, content in list(self.heard)]

    def handle_error(self, request, client_address):
        pass  # the other end was killed

    def end(self):
        self.released.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Wait for nothing long, and ask no proxy."""
    monkeypatch.setattr(announce, "DELAYS", (0.02, 0.02, 0.02))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("VOGN_WEBHOOK", raising=False)


@pytest.fixture
def webhook():
    """Return how to start servers; the last answer is given again and again."""
    servers = []

    def start(*answers, port=0):
        servers.append(Webhook(answers or [200], port))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "jobs")


@pytest.fixture
def store(home):
    store = Store(home)
    yield store
    store.close()


@pytest.fixture
def announcer(store):
    """Return how to make announcers, which have done their work after the test."""
    made = []

    def make(url):
        made.append(Announcer(store, "h", url))
        return made[-1]

    yield make
    for each in made:
        if each._sending:
            each._sending.join(20)


def end(store, run, outcome="finished", host="h"):
    """Let a run end that nobody was told of."""
    store.add([Job(path=str(run.path), config="{}")])
    starts = lambda queue, leases: ([(queue[0], ["cpu:0"])], {})  # noqa: E731
    (job,) = store.claim(host, starts)
    store.settle(job, outcome, announced=False)


def evaluated(run, content):
    run.evaluation.write_text(json.dumps(content))
    return run


def tick_until(announcer, condition):
    def tick():
        announcer.tick()
        return condition()

    return wait_for(tick)


def all_told(store):
    return lambda: store.unannounced("h") == []


# --- what is told ---


def test_a_finished_run_is_told_with_its_figures(tmp_path):
    run = evaluated(run_of(tmp_path / "a run"), {"metrics": METRICS | {"brier": 0.2}})
    write_status(run, Status(state="finished", created=1.0, message="Done."))
    assert announcement(run, "finished") == {
        "text": "Run a run (vogn on moons): finished. "
        "accuracy 0.9123, NLL 0.2500, ECE 0.0100",
        "run": "a run",
        "state": "finished",
        "path": str(run.path),
        "dataset": "moons",
        "model": "mlp",
        "optimizer": "vogn",
        "message": "Done.",
        "metrics": METRICS | {"brier": 0.2},
    }


def test_a_failed_run_is_told_with_its_reason(tmp_path):
    run = run_of(tmp_path / "a")
    failed = Status(state="failed", created=1.0, error_class="data", message="No file.")
    write_status(run, failed)
    told = announcement(run, "failed")
    assert told["text"] == "Run a (vogn on moons): failed. No file."
    assert (told["error_class"], told["metrics"]) == ("data", {})


def test_a_run_whose_folder_is_gone_is_told_all_the_same(tmp_path):
    told = announcement(Run(tmp_path / "gone"), "lost")
    assert told["text"] == "Run gone: lost."
    assert (told["state"], told["message"]) == ("lost", "")


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        ([], ""),
        ({}, ""),
        ({"metrics": None}, ""),
        ({"metrics": [1]}, ""),
        ({"metrics": {"accuracy": None, "nll": None, "ece": None}}, ""),
        ({"metrics": {"accuracy": "x", "nll": float("nan")}}, ""),
        ({"metrics": METRICS | {"nll": None}}, "accuracy 0.9123, ECE 0.0100"),
        ({"metrics": {"accuracy": 1, "nll": float("inf")}}, "accuracy 1.0000"),
    ],
)
def test_what_is_no_finite_number_is_left_out(tmp_path, content, numbers):
    run = evaluated(run_of(tmp_path / "a"), content)
    write_status(run, Status(state="finished", created=1.0, message="Done."))
    told = announcement(run, "finished")
    assert told["text"] == f"Run a (vogn on moons): finished. {numbers or 'Done.'}"
    json.dumps(told, allow_nan=False)


# --- sending ---


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


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "ftp://host/x",
        "hooks.example.org/x",
        "javascript:1",
        "/",
    ],
)
def test_another_scheme_is_refused_in_a_sentence(url):
    problem = f"VOGN_WEBHOOK must be an http or https address, got {url!r}."
    assert post(url, {}) == problem


@pytest.mark.parametrize(
    "url",
    [
        "http://", "http:///x", "http://[::1", "http://127.0.0.1:x/", "http://a b/",
        "http://127.0.0.1:99999/", "http://h\u00fc..x/", "https://127.0.0.1:1/",
        "http://127.0.0.1:1/\n", "http://" + "x" * 300,
    ],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_an_error_and_no_crash(url):
    assert post(url, {"a": 1}) != ""


def test_a_bad_address_is_given_up(tmp_path, store, announcer, caplog):
    end(store, run_of(tmp_path / "a"))
    tick_until(announcer("hooks.example.org/x"), all_told(store))
    assert caplog.text.count("must be an http or https address") == 4


def test_no_descriptor_is_left_open(webhook):
    server = webhook(500, 302, b"x", 200)
    post(server.address, {})
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        post(server.address, {})
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)
