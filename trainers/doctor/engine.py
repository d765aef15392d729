"""Checks of the job engine: store, dispatcher, leases, processes."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import sqlalchemy as sa

from trainers.doctor.findings import FAIL, OK, WARN, Finding
from trainers.doctor.machine import nearest
from trainers.doctor.processes import Member, members
from trainers.jobs.database import (
    DAMAGED,
    StoreError,
    address,
    open_database,
    told,
)
from trainers.jobs.home import Home
from trainers.jobs.launcher import code_version
from trainers.jobs.locks import is_held
from trainers.jobs.schema import VERSION, jobs, settings
from trainers.jobs.start import REPOSITORY
from trainers.jobs.store import PAUSED, Job, Store
from trainers.jobs.switch import dispatchers_of
from trainers.runs import Run, RunError, is_there
from trainers.status import ALIVE, LOST, Status, observed

MIB = 2**20
SETTLING = 60.0  # seconds after its end in which a run may still have processes
ERRAND = "errand"
ENDING = ("run", "supervisor", "mirror")  # processes that end with their run
# What the dispatcher takes from where it was started, not from who submits.
DISPATCHERS = (
    "VOGN_CPU_SLOTS", "VOGN_MIN_FREE_MEMORY", "VOGN_WEBHOOK", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip
OUT_OF_ORDER = "See whether the disk is full or the server is down, and who may write."
ELSEWHERE = "Move the file away, or set VOGN_JOBS to a folder of your own."
START = "Start one: python -m trainers serve"
RESTART = "End it: python -m trainers serve --stop. The next command starts a new one."


def store() -> Iterator[Finding]:
    """Whether the job store can be read and written, and what is in it."""
    home = Home.here()
    if not nearest(home.folder).is_dir():
        text = f"{home.folder} cannot be a folder: {nearest(home.folder)} is a file."
        yield Finding(FAIL, "store", text, ELSEWHERE)
        return
    if not _has_store(home):
        yield Finding(OK, "store", "There is none yet; the first submit makes it.")
        return
    try:
        counts, sound = _looked_into(home)
    except RunError as error:
        yield _unusable(error)
        return
    except sa.exc.SQLAlchemyError as error:
        yield _unusable(StoreError(*told(error)))
        return
    listed = ", ".join(f"{number} {stage}" for stage, number in counts.items())
    text = f"{address(home)}, version {VERSION}, can be written to. "
    text += f"Jobs: {listed or 'none'}."
    if sound:
        yield Finding(OK, "store", text)
    else:
        yield Finding(FAIL, "store", f"{address(home)} is damaged.", DAMAGED)


def _unusable(error: RunError) -> Finding:
    problem, advice = str(error), ""
    if isinstance(error, StoreError):
        problem, advice = error.problem, error.advice
    return Finding(FAIL, "store", problem.splitlines()[0], advice or OUT_OF_ORDER)


def _has_store(home: Home) -> bool:
    return bool(home.url) or home.database.exists()


@contextmanager
def _opened(home: Home) -> Iterator[Store | None]:
    """The store; None if there is none yet, or one that `store` has complained of."""
    try:
        opened = Store(home) if _has_store(home) else None
    except RunError:
        opened = None
    try:
        yield opened
    finally:
        if opened:
            opened.close()


def _looked_into(home: Home) -> tuple[dict[str, int], bool]:
    """How many jobs there are by stage, and whether the file is sound."""
    engine = open_database(home)
    try:
        with engine.connect() as connection:
            trial = sa.insert(settings).values(name="doctor", value="")
            connection.execute(trial)
            rows = connection.execute(
                sa.select(jobs.c.stage, sa.func.count()).group_by(jobs.c.stage)
            )
            counts = {str(stage): int(number) for stage, number in rows}
            connection.rollback()
        return counts, _is_sound(engine)
    finally:
        engine.dispose()


def _is_sound(engine: sa.Engine) -> bool:
    if engine.dialect.name != "sqlite":
        return True
    with engine.execution_options(reads=True).connect() as connection:
        return connection.exec_driver_sql("PRAGMA quick_check").scalar() == "ok"


def dispatcher() -> Iterator[Finding]:
    """Whether the dispatcher lives, is up to date, and has the settings of now."""
    home = Home.here()
    if not nearest(home.folder).is_dir():
        return  # `store` has told it
    found = dispatchers_of(home)
    if found:
        yield _described(found[0])
        yield from _drifted(found[0].environ(), os.environ)
    elif is_held(home.dispatcher_lock):
        text = f"Somebody else's runs; its log is {home.dispatcher_log}."
        yield Finding(OK, "dispatcher", text)
    else:
        yield _absent(home)


def _described(process: psutil.Process) -> Finding:
    age = max(time.time() - process.create_time(), 1e-9)
    times = process.cpu_times()
    text = (
        f"Process {process.pid}, version {code_version()}: "
        f"{process.memory_info().rss / MIB:.0f} MiB, "
        f"{100 * (times.user + times.system) / age:.1f} % of a core."
    )
    if process.create_time() < _newest(REPOSITORY / "trainers"):
        text += " It is older than the code on disk."
        return Finding(WARN, "dispatcher", text, RESTART)
    return Finding(OK, "dispatcher", text)


def _newest(folder: Path) -> float:
    """When the code was changed last, in Unix time."""
    return max(path.stat().st_mtime for path in folder.rglob("*.py"))


def _drifted(theirs: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[Finding]:
    """Settings that have another value here than where the dispatcher was started."""
    names = [name for name in DISPATCHERS if theirs.get(name) != ours.get(name)]
    if names:
        text = f"It was started with another {', '.join(names)} than is set here."
        yield Finding(WARN, "dispatcher", text, RESTART)


def _absent(home: Home) -> Finding:
    off = home.switched_off.exists()
    text = "It was switched off." if off else "None runs."
    with _opened(home) as opened:
        waiting = len(opened.queued()) if opened else 0
    if waiting:
        text += f" {waiting} queued runs wait for it."
        return Finding(WARN, "dispatcher", text, START)
    return Finding(OK, "dispatcher", f"{text} The next submit starts it.")


def leases() -> Iterator[Finding]:
    """Which devices are held, and whether by living runs."""
    home = Home.here()
    with _opened(home) as opened:
        if opened is None:
            return
        held = opened.leases(opened.host)
        paused = opened.setting(PAUSED) == "1"
    if paused:
        advice = "Start again: python -m trainers queue --unpause"
        yield Finding(WARN, "queue", "It is paused: nothing starts.", advice)
    for lease in held:
        run = Run(Path(lease.path))
        state = _state(run)
        text = f"{lease.device} is held by run {run.id}, which is {state.state}."
        if state.state in ALIVE or _ended_just_now(state):
            yield Finding(OK, "lease", text)
        else:
            yield Finding(WARN, "lease", text, START)
    if not held:
        yield Finding(OK, "leases", "No device is held.")


def _state(run: Run) -> Status:
    try:
        return observed(run)
    except RunError:  # its folder is gone or damaged
        return Status(state=LOST, created=0.0, ended=0.0)


def _ended_just_now(status: Status) -> bool:
    return time.time() - (status.ended or 0.0) < SETTLING


def processes() -> Iterator[Finding]:
    """Whether ended runs have left processes behind."""
    home = Home.here()
    with _opened(home) as opened:
        jobs_here = opened.active(opened.host) if opened else []
    active = {job.path for job in jobs_here}
    left = [member for member in members(home) if _is_left(member, active)]
    for member in left:
        pid = member.process.pid
        text = f"Process {pid} ({member.part} {member.run.id if member.run else ''})"
        lost = "folder is gone" if member.part == ERRAND else "run has ended"
        text += f" goes on although its {lost}."
        yield Finding(WARN, "orphan", text, f"End it: kill -9 {pid}")
    if not left:
        yield Finding(OK, "orphans", "No run has left a process behind.")


def _is_left(member: Member, active: set[str]) -> bool:
    if member.run is None or str(member.run.path) in active:
        return False
    if member.part == ERRAND:  # it works on an ended run, but not on a deleted one
        return not is_there(member.run.path.parent)
    if member.part not in ENDING:  # predictors work on ended runs
        return False
    status = _state(member.run)
    return status.state not in ALIVE and not _ended_just_now(status)


def locks() -> Iterator[Finding]:
    """Whether lock files of ended runs are left."""
    home = Home.here()
    with _opened(home) as opened:
        if opened is None:
            return
        queued, active = opened.queued(), opened.active(opened.host)
    wanted = {_lock_name(home, job) for job in (*queued, *active)}
    files = sorted((home.folder / "locks").glob("*.lock"))
    stale = [file for file in files if file.name not in wanted and not is_held(file)]
    if stale:
        text = f"{len(stale)} files of ended runs are left; they hold up nothing."
        advice = f"Delete them: {', '.join(str(file) for file in stale[:3])} ..."
        yield Finding(WARN, "locks", text, advice)
    else:
        yield Finding(OK, "locks", "None is left of ended runs.")


def _lock_name(home: Home, job: Job) -> str:
    return home.run_lock(job.run).name
