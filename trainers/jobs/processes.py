"""Which processes belong to what: each carries its part in its environment.

A child inherits the variable, so that a process of a run is known for one even when
everything above it was killed and it hangs below process 1.
"""

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil

from trainers.runs import Run
from trainers.status import Process, Supervision

ROLE = "VOGN_ROLE"
DISPATCHER = "dispatcher"
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
END_PATIENCE = 5.0  # seconds until killed processes are gone; they may wait for a disk


def run_role(run: Run) -> str:
    """The role of a trainer, torchrun or rank, and of whatever they start."""
    return f"run {run.path}"


def supervisor_role(run: Run) -> str:
    """The role of a run's supervisor."""
    return f"supervisor {run.path}"


def mirror_role(run: Run) -> str:
    """The role of a process that copies a run to a tracker."""
    return f"mirror {run.path}"


def role_of(process: psutil.Process) -> str:
    """The role of a process; "" if it has none or is not ours to look at."""
    try:
        return process.environ().get(ROLE, "")
    except (psutil.Error, OSError):
        return ""


def with_role(*roles: str) -> list[psutil.Process]:
    """All living processes of this user that have one of the roles."""
    return [
        process
        for process in psutil.process_iter()
        if is_alive(process) and role_of(process) in roles
    ]


def is_alive(process: psutil.Process) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """All processes below one, [] when it is gone."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def belonging_to(run: Run, watch: Supervision | None = None) -> list[psutil.Process]:
    """The living processes of a run.

    Those with its role, and of those that emptied their environment the ones below
    such a one, below the run's supervisor if that is this process, in the run's
    session, or noted by a supervisor.

    Args:
        run: The run.
        watch: What a supervisor noted of it.
    """
    found = {process.pid: process for process in with_role(run_role(run))}
    if role_of(psutil.Process()) == supervisor_role(run):
        near = descendants(psutil.Process())
    else:
        near = [child for member in [*found.values()] for child in descendants(member)]
    if watch is not None:
        near += in_session(watch.session)
        for stray in filter(None, (each.handle() for each in watch.strays)):
            found[stray.pid] = stray
            near += descendants(stray)
    for process in near:
        if is_alive(process) and _is_of(process, run):
            found[process.pid] = process
    return list(found.values())


def strays_among(processes: Iterable[psutil.Process]) -> list[Process]:
    """Those of the given processes that have no role, described."""
    found = []
    for process in processes:
        with suppress(psutil.Error):
            if is_alive(process) and not role_of(process):
                found.append(Process.of(process.pid))
    return found


def _is_of(process: psutil.Process, run: Run) -> bool:
    """Whether a process has a run's role or, without any, is below such a one.

    Below a supervisor there may also be a dispatcher that it woke, and supervisors of
    other runs with all that is theirs.
    """
    if own := role_of(process):
        return own == run_role(run)
    with suppress(psutil.Error):
        above = next(filter(None, map(role_of, process.parents())), "")
        return above in ("", run_role(run), supervisor_role(run))
    return False


def in_session(leader: Process | None) -> list[psutil.Process]:
    """The other processes of a session, whose leader may be gone."""
    if leader is None or leader.is_elsewhere:
        return []
    if psutil.pid_exists(leader.pid) and leader.handle() is None:
        return []  # its number was used again, so that session has ended
    return [
        process
        for process in psutil.process_iter()
        if process.pid != leader.pid and _session_of(process.pid) == leader.pid
    ]


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def end_all(find: Callable[[], Iterable[psutil.Process]]) -> bool:
    """Kill processes until none is found any more.

    Args:
        find: Returns those that are alive; asked again since they may start others.

    Returns:
        Whether all are gone; False if some survive, as in an uninterruptible wait.
    """
    deadline = time.monotonic() + END_PATIENCE
    while left := list(find()):
        if time.monotonic() > deadline:
            return False
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)  # not by a wait: whose child it is wants its exit code
    return True


def adopt_orphans() -> None:
    """Become the parent of every process whose parents below this one end."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(processes: Iterable[psutil.Process], spared: int) -> None:
    """Remove the zombies among this process's children but for one.

    Args:
        processes: Its descendants.
        spared: The child whose exit code somebody wants.
    """
    for child in processes:
        if child.pid != spared and not is_alive(child):
            with suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
