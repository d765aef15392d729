"""Webhooks for tests: a real server in a thread, and runs whose end is to be told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.trainers.examples import wait_for
from trainers.jobs import announce
from trainers.jobs.announce import Announcer
from trainers.jobs.home import Home
from trainers.jobs.store import Job, Store


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


def tick_until(announcer, condition):
    def tick():
        announcer.tick()
        return condition()

    return wait_for(tick)


def all_told(store):
    return lambda: store.unannounced("h") == []
