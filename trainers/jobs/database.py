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


def open_database(home: Home) -> sa.Engine:
    """Connect to the store of a home, and migrate it if it is older than this code.

    Args:
        home: Where the engine lives.

    Returns:
        SQLAlchemy's engine. On SQLite each transaction takes the write lock when it
        begins, unless the connection has the execution option `reads`.

    Raises:
        RunError: If the folder is on a network file system, the address is of no
            database that will do, it cannot be reached, or a newer version of this
            program made it.
    """
    home.prepare()
    try:
        url = _address(home)
        _check(url)
        engine = _connected(url)
        try:
            if _version(engine) != VERSION:
                _migrate(engine, home)
        except BaseException:
            engine.dispose()
            raise
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise RunError(f"the job store {_shown(home)}: {_cause(error)}") from None
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction of an engine that `open_database` returned.

    Yields:
        Its connection.

    Raises:
        RunError: If the database fails; nothing was changed.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.IntegrityError as error:
        raise RunError("the job store: another process was faster.") from error
    except (sa.exc.SQLAlchemyError, UnicodeError) as error:
        raise RunError(f"the job store: {_cause(error)}") from error


def _cause(error: Exception) -> object:
    """The database's own words, without the statement."""
    return getattr(error, "orig", None) or error


def _address(home: Home) -> sa.URL:
    if home.url:
        return sa.make_url(home.url)
    return sa.URL.create("sqlite", database=str(home.database))


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


def _shown(home: Home) -> str:
    """The address without its password."""
    try:
        return _address(home).set(query={}).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "VOGN_JOBS_URL"


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
            raise RunError(
                f"the job store {_shown(home)} was made by a newer version of this "
                f"program: {error}"
            ) from None
