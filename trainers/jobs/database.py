"""Opening the job store: SQLite in WAL mode or PostgreSQL, brought up to date."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from trainers.jobs.home import Home, check_local
from trainers.jobs.schema import VERSION
from trainers.runs import RunError

BUSY = 30.0  # seconds that a writer waits for another one
MIGRATION_KEY = 0x564F474E  # of PostgreSQL's advisory lock: "VOGN"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
DAMAGED = "Move the file away: runs stay listed, but what was queued is lost."


def open_database(home: Home) -> sa.Engine:
    """Connect to the store of a home, and migrate it if it is older than this code.

    Args:
        home: Where the engine lives.

    Returns:
        SQLAlchemy's engine. On SQLite each transaction takes the write lock when it
        begins, unless the connection has the execution option `reads`.

    Raises:
        RunError: If the folder is on a network file system or cannot be made.
        StoreError: If the address is of no database that will do, it cannot be
            reached, or a newer version of this program made it.
    """
    home.prepare()
    try:
        url = _url(home)
        _check(url)
        engine = _connected(url)
        try:
            if _version(engine) != VERSION:
                _migrate(engine, home)
        except BaseException:
            engine.dispose()
            raise
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise StoreError(*told(error, address(home))) from None
    return engine


class StoreError(RunError):
    """The job store cannot be used.

    Args:
        problem: What is wrong, in a sentence.
        advice: What to do about it, in another one; "" if that is not known.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(f"{problem} {advice}".strip())
        self.problem, self.advice = problem, advice


def told(error: Exception, where: str = "") -> tuple[str, str]:
    """What the database raised: a sentence without the statement, and advice.

    Args:
        error: What it raised.
        where: The store's address, if it is known.

    Returns:
        What `StoreError` takes.
    """
    cause = getattr(error, "orig", None) or error
    problem = f"the job store{where and f' {where}'}: {cause}"
    is_damaged = getattr(cause, "sqlite_errorcode", 0) & 0xFF in _DAMAGE
    return (f"{problem}.", DAMAGED) if is_damaged else (problem, "")


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction of an engine that `open_database` returned.

    Yields:
        Its connection.

    Raises:
        RunError: If another process was faster.
        StoreError: If the database fails; nothing was changed.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.IntegrityError as error:
        raise RunError("the job store: another process was faster.") from error
    except (sa.exc.SQLAlchemyError, UnicodeError) as error:
        raise StoreError(*told(error)) from error


def address(home: Home) -> str:
    """Where the store of a home is, without what is secret."""
    if not home.url:
        return str(home.database)
    return _url(home).set(query={}).render_as_string(hide_password=True)


def _url(home: Home) -> sa.URL:
    if not home.url:
        return sa.URL.create("sqlite", database=str(home.database))
    try:
        return sa.make_url(home.url)
    except (sa.exc.ArgumentError, ValueError):
        # Neither text nor cause is told: a part of either may be a password.
        raise StoreError(
            "VOGN_JOBS_URL must be the address of a database, such as "
            "postgresql+psycopg://user@host:5432/jobs, got what cannot be read as one.",
            "Correct or unset it.",
        ) from None


def _check(url: sa.URL) -> None:
    """Refuse by ValueError or RunError what cannot be a store of several processes."""
    backend, path = url.get_backend_name(), Path(url.database or "")
    if backend not in ("sqlite", "postgresql"):
        raise ValueError(
            f"VOGN_JOBS_URL must be of SQLite or PostgreSQL, got {backend}."
        )
    if backend == "sqlite":
        # Each process would make a store of its own, in its folder or its memory.
        if not path.is_absolute():
            raise ValueError(
                "VOGN_JOBS_URL must name an SQLite file by its whole path, as in "
                f"sqlite:////folder/jobs.db, got {url.render_as_string()}."
            )
        check_local(path, "VOGN_JOBS_URL")


def _connected(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: Any, record: Any) -> None:  # noqa: ARG001
    connection.isolation_level = None  # the driver begins nothing by itself
    mode = _write_ahead(connection)
    if mode != "wal":
        raise sa.exc.OperationalError(
            "PRAGMA journal_mode=WAL", None,
            Exception(f"its file system has no write-ahead log, only {mode!r}"),
        )  # fmt: skip
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _write_ahead(connection: sqlite3.Connection) -> str:
    """Switch to WAL; of several that do so at once SQLite fails some without a wait."""
    deadline = time.monotonic() + BUSY
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _begin(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later can fail halfway for want of
    # the lock; one that takes it at once waits its turn.
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _version(engine: sa.Engine) -> str | None:
    with engine.execution_options(reads=True).connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        return found.scalar()


def _migrate(engine: sa.Engine, home: Home) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # no user asked for it
    # Imported here: it is rarely needed, and large.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    # Alembic reads % as the start of a variable.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    # One process at a time: SQLite's writer is alone, PostgreSQL has this lock.
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_KEY)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"the job store {address(home)} was made by a newer version of this "
                f"program: {error}.",
                "Update VOGN App, or set VOGN_JOBS to another folder.",
            ) from None
