"""The job store: what is queued, what is active, who holds which device.

Every change of a job's stage is one conditional statement or one transaction, so that
clients and dispatchers may all be killed at any time: a change is there or it is not.
Where the database fails, each method raises RunError with its words.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from trainers.jobs.database import open_database, transaction
from trainers.jobs.home import Home
from trainers.jobs.schema import ACTIVE, ENDED, QUEUED, jobs, leases, settings
from trainers.runs import Run, RunError

PAUSED = "paused"
REVISION = "revision"  # another one after each change


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row: see `trainers.jobs.schema`."""

    path: str
    config: str
    stage: str = QUEUED
    priority: int = 0
    position: int = 0
    group: str = ""
    device: str = "auto"
    num_processes: int = 1
    environment: str = "{}"
    host: str = ""
    starts: int = 0
    reason: str = ""
    outcome: str = ""
    submitted: float = 0.0
    claimed: float | None = None
    ended: float | None = None
    announced: bool = False

    @property
    def run(self) -> Run:
        """The folder."""
        return Run(Path(self.path))


@dataclass(frozen=True)
class Lease:
    """A device that a job holds."""

    device: str
    path: str


# What a dispatcher decides in a claim: whom to start on which devices, and why others
# wait, by path.
Decision = tuple[Sequence[tuple[Job, Sequence[str]]], Mapping[str, str]]


class Store:
    """Jobs, leases and settings.

    Args:
        home: Where the engine lives.

    Attributes:
        host: Under which name this machine's dispatcher claims.
    """

    def __init__(self, home: Home) -> None:
        self._writing = open_database(home)
        # An SQLite store belongs to one machine, even if that changes its name, as a
        # container does with every start; on PostgreSQL several may share the queue.
        self.host = "here" if _is_sqlite(self._writing) else socket.gethostname()
        self._reading = self._writing.execution_options(reads=True)
        self._file = _file_of(self._writing)

    def close(self) -> None:
        """Close all connections; the store opens new ones when used again."""
        self._writing.dispose()

    def is_there(self) -> bool:
        """Whether the database is still the one that was opened, and not removed."""
        return self._file == _file_of(self._writing)

    def add(self, added: Sequence[Job]) -> None:
        """Queue jobs, all or none.

        A job that ended is queued again; its place in the queue is a new one.

        Args:
            added: The jobs, first one first.

        Raises:
            RunError: If one of them is queued or active already.
        """
        with self._changing() as connection:
            last = connection.scalar(sa.select(sa.func.max(jobs.c.position))) or 0
            for position, job in enumerate(added, start=last + 1):
                known = connection.scalar(_stage_of(job.path))
                if known not in (None, ENDED):
                    raise RunError(f"Run {job.run.id} is {known} already.")
                values = _values(job) | {"position": position}
                connection.execute(sa.delete(jobs).where(jobs.c.path == job.path))
                connection.execute(sa.insert(jobs).values(values))

    def get(self, path: Path | str) -> Job | None:
        """The job of a run folder."""
        return next(iter(self.find([path]).values()), None)

    def find(self, paths: Iterable[Path | str]) -> dict[str, Job]:
        """Those of the given run folders that have a job, by path."""
        wanted = [str(path) for path in paths]
        found: dict[str, Job] = {}
        for start in range(0, len(wanted), 500):  # SQLite bounds the number of values
            chosen = jobs.c.path.in_(wanted[start : start + 500])
            found |= {job.path: job for job in self._select(chosen)}
        return found

    def queued(self) -> list[Job]:
        """The queue, next one first."""
        return self._select(jobs.c.stage == QUEUED)

    def active(self, host: str) -> list[Job]:
        """The jobs that the dispatcher of a host has claimed."""
        return self._select(sa.and_(jobs.c.stage == ACTIVE, jobs.c.host == host))

    def unannounced(self, host: str) -> list[Job]:
        """Jobs of a host whose end was not announced yet."""
        ended = sa.and_(jobs.c.stage == ENDED, jobs.c.announced.is_(False))
        return self._select(sa.and_(ended, jobs.c.host == host))

    def leases(self, host: str) -> list[Lease]:
        """The devices of a host that are held."""
        with transaction(self._reading) as connection:
            return _leases(connection, host)

    def claim(
        self, host: str, decide: Callable[[list[Job], list[Lease]], Decision]
    ) -> list[Job]:
        """Make queued jobs active and lease their devices, in one transaction.

        Args:
            host: Whose dispatcher claims.
            decide: Chooses from the queue, given the leases of the host.

        Returns:
            The jobs as they are now.
        """
        now = time.time()
        with transaction(self._writing) as connection:
            # What another host or a client has in hand just now is passed over.
            waiting = _rows(connection, jobs.c.stage == QUEUED, skip_locked=True)
            chosen, reasons = decide(waiting, _leases(connection, host))
            for job, devices in chosen:
                connection.execute(
                    _update(job.path, stage=ACTIVE, host=host, claimed=now, reason="",
                            starts=job.starts + 1)
                )  # fmt: skip
                rows = [
                    {"host": host, "device": device, "path": job.path, "since": now}
                    for device in devices
                ]
                if rows:  # SQLAlchemy takes no rows for one of defaults
                    connection.execute(sa.insert(leases), rows)
            known = {job.path: job.reason for job in waiting}
            told = {path: why for path, why in reasons.items() if known[path] != why}
            for path, reason in told.items():
                connection.execute(_update(path, reason=reason))
            if chosen:  # a reason is for people, who look anyway
                _set(connection, REVISION, secrets.token_hex(8))
            active = [_rows(connection, jobs.c.path == job.path) for job, _ in chosen]
        return [job for rows in active for job in rows]

    def settle(self, job: Job, outcome: str, announced: bool, told: str = "") -> None:
        """End an active job and release its devices.

        Does nothing if the job was settled, and perhaps claimed anew, meanwhile.

        Args:
            job: The job as it was claimed.
            outcome: State of the run at its end.
            announced: Whether nobody has to be told.
            told: What its folder does not say.
        """
        self._release(job, stage=ENDED, outcome=outcome, reason=told,
                      ended=time.time(), announced=announced)  # fmt: skip

    def requeue(self, job: Job) -> None:
        """Put an active job that never began back to its place in the queue.

        Does nothing if the job was settled, and perhaps claimed anew, meanwhile.
        """
        self._release(job, stage=QUEUED, host="", claimed=None)

    def _release(self, job: Job, **values: Any) -> None:
        ours = sa.and_(jobs.c.stage == ACTIVE, jobs.c.claimed == job.claimed)
        with self._changing() as connection:
            if connection.execute(_update(job.path, **values).where(ours)).rowcount:
                connection.execute(sa.delete(leases).where(leases.c.path == job.path))

    def cancel(self, path: Path | str) -> bool:
        """End a job that is still queued; whether it was."""
        change = _update(str(path), stage=ENDED, outcome="stopped", reason="",
                         ended=time.time(), announced=True)  # fmt: skip
        with self._changing() as connection:
            done = connection.execute(change.where(jobs.c.stage == QUEUED))
        return bool(done.rowcount)

    def forget(self, path: Path | str) -> None:
        """Remove the row of a job that has ended."""
        ended = sa.and_(jobs.c.path == str(path), jobs.c.stage == ENDED)
        with self._changing() as connection:
            connection.execute(sa.delete(jobs).where(ended))

    def announce(self, job: Job) -> None:
        """Note that this end of a job was announced; it may have begun anew."""
        change = _update(job.path, announced=True).where(jobs.c.ended == job.ended)
        with self._changing() as connection:
            connection.execute(change)

    def arrange(self, order: Callable[[list[Job]], list[Job]]) -> None:
        """Rewrite order and priorities of the queue.

        Args:
            order: Returns the given jobs in their new order, each with the priority
                that it shall have.
        """
        with self._changing() as connection:
            waiting = _rows(connection, jobs.c.stage == QUEUED, skip_locked=False)
            for position, job in enumerate(order(waiting), start=1):
                change = _update(job.path, position=position, priority=job.priority)
                connection.execute(change)

    def setting(self, name: str) -> str | None:
        """A setting of the whole engine."""
        query = sa.select(settings.c.value).where(settings.c.name == name)
        with transaction(self._reading) as connection:
            return connection.scalar(query)

    def set(self, name: str, value: str) -> None:
        """Keep a setting."""
        with self._changing() as connection:
            _set(connection, name, value)

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        """A transaction that others notice by the revision."""
        with transaction(self._writing) as connection:
            yield connection
            # Last: on PostgreSQL the others wait here, and then not for long.
            _set(connection, REVISION, secrets.token_hex(8))

    def _select(self, condition: Any) -> list[Job]:
        with transaction(self._reading) as connection:
            return _rows(connection, condition)


_FIELDS = [field.name for field in fields(Job)]
_COLUMNS = [jobs.c["group_name" if name == "group" else name] for name in _FIELDS]


def _is_sqlite(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _file_of(engine: sa.Engine) -> tuple[int, int]:
    """What tells an SQLite file from another one of the same name; (0, 0) for none."""
    if not _is_sqlite(engine):
        return (0, 0)
    try:
        found = os.stat(engine.url.database or "")
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def _rows(
    connection: sa.Connection, condition: Any, skip_locked: bool | None = None
) -> list[Job]:
    """Jobs in the order of the queue; None locks no rows.

    Only PostgreSQL knows row locks. SQLite needs none: its writer is alone.
    """
    query = sa.select(*_COLUMNS).where(condition)
    if skip_locked is not None:
        # By path, which never changes: two that lock many rows do not deadlock.
        query = query.order_by(jobs.c.path).with_for_update(skip_locked=skip_locked)
    rows = connection.execute(query)
    found = [Job(**dict(zip(_FIELDS, row, strict=True))) for row in rows]
    # Here and not in the query: PostgreSQL sorts before it waits for locked rows, whose
    # places may change meanwhile, and each database sorts text in its own way.
    return sorted(found, key=lambda job: (-job.priority, job.position, job.path))


def _leases(connection: sa.Connection, host: str) -> list[Lease]:
    query = sa.select(leases.c.device, leases.c.path).where(leases.c.host == host)
    return [Lease(*row) for row in connection.execute(query)]


def _values(job: Job) -> dict[str, Any]:
    values = dict(vars(job))
    values["group_name"] = values.pop("group")
    return values


def _set(connection: sa.Connection, name: str, value: str) -> None:
    # Of a delete and an insert the second one fails on PostgreSQL when two processes
    # do it at once.
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(settings).values(name=name, value=value)
    connection.execute(
        insert.on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )


def _stage_of(path: str) -> Any:
    return sa.select(jobs.c.stage).where(jobs.c.path == path)


def _update(path: str, **values: Any) -> sa.Update:
    return sa.update(jobs).where(jobs.c.path == path).values(values)
