"""Opening the job store: SQLite in WAL mode or PostgreSQL, brought up to date."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from trainers.jobs.home import Home
from trainers.jobs.locks import FileLock
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
        RunError: If the folder is on a network file system, the database cannot be
            reached, or a newer version of this program made it.
    """
    home.prepare()
    try:
        engine = _connected(_address(home))
        if _version(engine) != VERSION:
            _migrate(engine, home)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        cause = getattr(error, "orig", None) or error
        raise RunError(f"the job store {_shown(home)}: {cause}") from None
    return engine


def _address(home: Home) -> sa.URL:
    if home.url:
        return sa.make_url(home.url)
    return sa.URL.create("sqlite", database=str(home.database))


def _shown(home: Home) -> str:
    """The address without its password."""
    try:
        return _address(home).render_as_string(hide_password=True)
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
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise sa.exc.OperationalError(
            "PRAGMA journal_mode=WAL", None,
            Exception(f"its file system has no write-ahead log, only {mode!r}"),
        )  # fmt: skip
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


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
    # Imported here: it is rarely needed, and large.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    # Alembic reads % as the start of a variable.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    with FileLock(home.folder / "migrate.lock") as lock:
        lock.acquire(BUSY)
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(
                    sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_KEY))
                )
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise RunError(
                    f"the job store {_shown(home)} was made by a newer version of "
                    f"this program: {error}"
                ) from None
