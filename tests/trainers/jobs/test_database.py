"""Tests of opening the job store."""

import sqlite3
import subprocess
import sys
import threading
from collections import namedtuple

import psutil
import pytest
import sqlalchemy as sa

from tests.trainers.jobs.stores import KINDS, home_on, postgresql_url
from trainers.jobs import database
from trainers.jobs.database import address, open_database, transaction
from trainers.jobs.home import Home
from trainers.jobs.schema import VERSION
from trainers.runs import RunError

UMLAUTS = "a b/100%41 Grüße 'x'#?"

# Six processes open each of the given stores at the same moment.
OPENERS = """
import multiprocessing, sys
from pathlib import Path
import alembic.command, alembic.config
from trainers.jobs.database import open_database
from trainers.jobs.home import Home

def open_all(homes, barrier):
    for folder, url in homes:
        barrier.wait(30)
        engine = open_database(Home(Path(folder), url))
        with engine.connect() as connection:
            query = "SELECT version_num FROM alembic_version"
            found = connection.exec_driver_sql(query).all()
        engine.dispose()
        assert found == [(sys.argv[1],)], found

fork = multiprocessing.get_context("fork")
homes, barrier = list(zip(sys.argv[2::2], sys.argv[3::2])), fork.Barrier(6)
children = [fork.Process(target=open_all, args=(homes, barrier)) for _ in range(6)]
for child in children:
    child.start()
for child in children:
    child.join()
sys.exit(sum(child.exitcode != 0 for child in children))
"""


@pytest.fixture(params=KINDS)
def home(request, tmp_path):
    return home_on(request.param, tmp_path / "jobs")


@pytest.fixture
def opened():
    """Return how to open stores that are closed after the test."""
    engines = []

    def open_(home):
        engines.append(open_database(home))
        return engines[-1]

    yield open_
    for engine in engines:
        engine.dispose()


def pragma(engine, name):
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def version(engine):
    with engine.connect() as connection:
        query = "SELECT version_num FROM alembic_version"
        return connection.exec_driver_sql(query).scalar()


def test_an_sqlite_file_is_in_wal_mode_and_minds_foreign_keys(tmp_path, opened):
    engine = opened(Home(tmp_path / "jobs"))
    assert pragma(engine, "journal_mode") == "wal"
    assert pragma(engine, "foreign_keys") == 1
    assert pragma(engine, "synchronous") == 1  # NORMAL
    assert pragma(engine, "busy_timeout") == 30_000


def test_foreign_keys_hold(home, opened):
    lease = "INSERT INTO leases VALUES ('h', 'cpu:0', '/nowhere', 1.0)"
    with (
        pytest.raises(RunError, match="the job store: another process was faster"),
        transaction(opened(home)) as connection,
    ):
        connection.exec_driver_sql(lease)


def test_any_folder_name_will_do(tmp_path, opened):
    home = Home(tmp_path / UMLAUTS)
    assert version(opened(home)) == VERSION
    assert home.database.is_file()
    names = {path.name for path in home.folder.iterdir()}
    assert names <= {"jobs.db", "jobs.db-wal", "jobs.db-shm", "locks"}


def test_an_sqlite_file_may_be_named_by_its_address(tmp_path, opened):
    path = tmp_path / "other ü.db"
    assert version(opened(Home(tmp_path / "jobs", f"sqlite:///{path}"))) == VERSION
    assert path.is_file()
    assert not (tmp_path / "jobs" / "jobs.db").exists()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite:///jobs.db", "must name an SQLite file by its whole path"),
        ("sqlite://", "must name an SQLite file by its whole path"),
        ("sqlite:///:memory:", "must name an SQLite file by its whole path"),
        (
            "mysql://me:secret@host/x",
            r"mysql://me:\*\*\*@host/x: VOGN_JOBS_URL must be",
        ),
        ("odd://x", "Can't load plugin|must be of SQLite or PostgreSQL, got odd"),
        ("jobs.db", "^VOGN_JOBS_URL must be the address of a database, such as"),
        ("::secret::", "^VOGN_JOBS_URL must be the address of a database, such as"),
        ("postgresql+psycopg://me:secret@h:port/x", "^VOGN_JOBS_URL must be the addr"),
        ("postgresql+psycopg://me:x@secret:secret@h/x", "^VOGN_JOBS_URL must be the"),
        ("postgresql+nodriver://h/x", "Can't load plugin"),
        ("sqlite:////nowhere/at/all/jobs.db", "unable to open database file"),
    ],
)
def test_an_address_that_will_not_do_is_named(tmp_path, monkeypatch, url, problem):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=problem) as caught:
        open_database(Home(tmp_path / "jobs", url))
    assert "secret" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["jobs"]


def test_an_address_is_shown_without_secrets(tmp_path):
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/jobs?password=secret"
    shown = address(Home(tmp_path, url))
    assert shown == "postgresql+psycopg://me:***@127.0.0.1:1/jobs"
    assert address(Home(tmp_path)) == str(tmp_path / "jobs.db")


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path):
    url = f"postgresql+psycopg://me:secret@/jobs?host={tmp_path}"
    with pytest.raises(
        RunError, match=r"the job store postgresql\+psycopg://me:\*\*\*@"
    ):
        open_database(Home(tmp_path / "jobs", url))


def test_no_sqlite_file_on_a_network_file_system(tmp_path, monkeypatch, opened):
    mount = namedtuple("Mount", "mountpoint fstype")
    mounts = [mount("/", "ext4"), mount(str(tmp_path / "far"), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    (tmp_path / "far").mkdir()
    home = Home(tmp_path / "near", f"sqlite:///{tmp_path}/far/jobs.db")
    with pytest.raises(RunError, match=r"far/jobs.db on a network .*Set VOGN_JOBS_URL"):
        open_database(home)
    with pytest.raises(RunError, match=r"got .*far/x on a network .*Set VOGN_JOBS to"):
        open_database(Home(tmp_path / "far" / "x", f"sqlite:///{tmp_path}/jobs.db"))
    assert list((tmp_path / "far").iterdir()) == []
    opened(Home(tmp_path / "near", f"sqlite:///{tmp_path}/near/other.db"))


@pytest.mark.parametrize("kind", KINDS)
def test_six_processes_open_a_new_store_at_once(tmp_path, kind):
    homes = [home_on(kind, tmp_path / str(number)) for number in range(6)]
    words = [word for home in homes for word in (str(home.folder), home.url)]
    done = subprocess.run(
        [sys.executable, "-c", OPENERS, VERSION, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


class Busy:
    """A connection that fails a few times for being locked, or for another reason."""

    def __init__(self, failures, code=sqlite3.SQLITE_BUSY):
        self.failures, self.code = failures, code

    def execute(self, statement):
        if self.failures:
            self.failures -= 1
            error = sqlite3.OperationalError("not now")
            error.sqlite_errorcode = self.code
            raise error
        return sqlite3.connect(":memory:").execute("SELECT 'wal'")


def test_a_switch_to_wal_is_tried_again_while_others_switch(monkeypatch):
    assert database._write_ahead(Busy(3)) == "wal"
    assert database._write_ahead(Busy(3, sqlite3.SQLITE_BUSY_RECOVERY)) == "wal"
    full = Busy(1, sqlite3.SQLITE_FULL)
    with pytest.raises(sqlite3.OperationalError):
        database._write_ahead(full)
    assert full.failures == 0
    monkeypatch.setattr(database, "BUSY", 0.1)
    with pytest.raises(sqlite3.OperationalError):
        database._write_ahead(Busy(10**6))


def test_a_store_of_a_newer_version_is_refused(home, opened):
    engine = opened(home)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    told = "was made by a newer version of this program: .* Update VOGN App, or set"
    with pytest.raises(RunError, match=told):
        open_database(home)
    assert version(engine) == "9999"


@pytest.mark.parametrize(
    "content",
    [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 4096, b"x" * 600],
    ids=["garbage", "head", "short"],
)
def test_a_damaged_file_is_named_and_kept(tmp_path, content):
    home = Home(tmp_path / "jobs")
    home.prepare()
    home.database.write_bytes(content)
    told = rf"^the job store {home.database}: .*\. Move the file away: runs stay listed"
    with pytest.raises(RunError, match=told):
        open_database(home)
    assert home.database.read_bytes() == content


def read_all(home):
    engine = open_database(home)
    try:
        with transaction(engine) as connection:
            connection.exec_driver_sql("SELECT * FROM jobs ORDER BY stage").all()
    finally:
        engine.dispose()


def test_a_file_that_is_damaged_inside_is_an_error_and_no_crash(tmp_path):
    home = Home(tmp_path / "jobs")
    open_database(home).dispose()
    size = home.database.stat().st_size
    with home.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(RunError, match=r"^the job store.*Move the file away: "):
        read_all(home)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    home = Home(tmp_path / "jobs")
    home.database.mkdir(parents=True)
    with pytest.raises(RunError, match=r"jobs\.db: unable to open database file$"):
        open_database(home)


def test_a_failed_opening_leaves_no_connection(tmp_path):
    home = Home(tmp_path / "jobs")
    open_database(home).dispose()
    with sqlite3.connect(home.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(RunError):
        open_database(home)
    held = [file.path for file in psutil.Process().open_files()]
    assert not [path for path in held if str(tmp_path) in path]


# --- transactions ---


def test_a_failed_transaction_changes_nothing_and_tells_the_cause(home, opened):
    engine = opened(home)

    def insert_and(then):
        with transaction(engine) as connection:
            connection.exec_driver_sql("INSERT INTO settings VALUES ('a', 'b')")
            then(connection)

    with pytest.raises(RunError, match="nonsense"):
        insert_and(lambda it: it.exec_driver_sql("SELECT * FROM nonsense"))
    with pytest.raises(KeyError):
        insert_and(lambda _: {}["x"])
    with transaction(engine) as connection:
        assert connection.exec_driver_sql("SELECT * FROM settings").all() == []


def test_a_writer_waits_for_a_writer_and_readers_wait_for_nobody(tmp_path, opened):
    home = Home(tmp_path / "jobs")
    engine, other = opened(home), opened(home)
    reading = other.execution_options(reads=True)
    done = []

    def write():
        with transaction(other) as connection:
            value = connection.exec_driver_sql("SELECT value FROM settings").scalar()
            done.append(value)

    with transaction(engine) as connection:
        connection.exec_driver_sql("INSERT INTO settings VALUES ('a', 'first')")
        thread = threading.Thread(target=write)
        thread.start()
        with transaction(reading) as reader:  # sees the state before, at once
            assert reader.exec_driver_sql("SELECT * FROM settings").all() == []
        thread.join(timeout=0.3)
        assert done == []
    thread.join(timeout=20)
    assert done == ["first"]


def test_two_schemas_of_one_server_are_two_stores(tmp_path, opened):
    one = opened(Home(tmp_path / "jobs", postgresql_url()))
    two = opened(Home(tmp_path / "jobs", postgresql_url()))
    with one.begin() as connection:
        connection.execute(sa.text("INSERT INTO settings VALUES ('a', 'b')"))
    with two.begin() as connection:
        assert connection.execute(sa.text("SELECT * FROM settings")).all() == []
