"""Homes of job stores for tests, on SQLite and on a PostgreSQL server of our own.

The server starts when a test first needs it, listens on a socket in a folder of its
own, and ends with this process, whatever ends it: its shell waits for the end of a
pipe that only this process holds.
"""

import atexit
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
import pytest

from tests.trainers.examples import wait_for
from trainers.jobs.home import Home
from trainers.jobs.processes import ROLE
from trainers.jobs.store import Job

KINDS = ("sqlite", "postgresql")
SETTINGS = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off",
    "listen_addresses=", "shared_buffers=16MB", "max_connections=60",
)  # fmt: skip
SERVER = """
bin=$1; folder=$2; shift 2
cd "$folder"
"$bin/initdb" -D data -A trust -U vogn -E UTF8 --no-locale --no-sync >log 2>&1 || exit 1
"$bin/postgres" -D data -k "$folder" "$@" >>log 2>&1 </dev/null &
read -r _
kill -QUIT $!
wait $!
cd /
rm -rf "$folder"
"""
_schemas = itertools.count(1)


@dataclass
class Server:
    """A running PostgreSQL."""

    folder: Path
    process: subprocess.Popen

    def connect(self):
        return psycopg.connect(host=str(self.folder), user="vogn", dbname="postgres")

    def is_up(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        shutil.rmtree(self.folder, ignore_errors=True)  # a server that never started


def binaries():
    """The folder of PostgreSQL's programs, None where there is none."""
    folders = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(
        debian, key=lambda path: -int(re.sub(r"\D", "", path.parent.name))
    )
    wanted = ("initdb", "postgres")
    complete = (f for f in folders if all((f / name).exists() for name in wanted))
    return next(complete, None)


def as_other_user():
    """The words that start a program as another user: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv"):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return ["runuser", "-u", "postgres", "--"]


@cache
def server():
    """The server of this test session; skips the test where there can be none."""
    programs, words = binaries(), as_other_user()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    # Not below pytest's folder: that is closed to the other user.
    folder = Path(tempfile.mkdtemp(prefix="vogn-pg-"))
    try:
        if words:
            shutil.chown(folder, "postgres", "postgres")
    except LookupError:
        folder.rmdir()
        pytest.skip("PostgreSQL refuses root, and there is no user postgres")
    options = [word for setting in SETTINGS for word in ("-c", setting)]
    process = subprocess.Popen(
        [*words, "sh", "-c", SERVER, "sh", programs, folder, *options],
        stdin=subprocess.PIPE,
        # What has no role below this process may be taken for a run's and be killed.
        env={**os.environ, ROLE: "PostgreSQL of the tests"},
        start_new_session=True,
    )
    started = Server(folder, process)
    atexit.register(started.end)
    wait_for(started.is_up)
    return started


def postgresql_url():
    """The address of an empty store on the server: a schema of its own."""
    running, name = server(), f"test_{next(_schemas)}"
    with running.connect() as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    host = urllib.parse.quote(str(running.folder))
    return (
        f"postgresql+psycopg://vogn@/postgres?host={host}"
        f"&options=-csearch_path%3D{name}"
    )


def home_on(kind, folder):
    """A new home whose store is of one of `KINDS`."""
    return Home(folder, postgresql_url() if kind == "postgresql" else "")


def job(name, **details):
    """A job that nothing runs."""
    details = {"config": '{"a": "é"}', "submitted": 1.5} | details
    return Job(path=f"/runs/{name}", **details)


def names(jobs):
    return [job.run.id for job in jobs]


def first(number, devices=("cpu:0",)):
    """Return a decision to start the first jobs of the queue, one device each."""

    def decide(queue, leases):
        chosen = queue[:number]
        starts = [
            (each, [device]) for each, device in zip(chosen, devices, strict=False)
        ]
        return starts, {each.path: "It waits." for each in queue[number:]}

    return decide


def path(name):
    return job(name).path
