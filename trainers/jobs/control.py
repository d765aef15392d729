"""Launch, stop, resume and delete runs from outside.

A launched run has a supervisor in a session of its own (`trainers.jobs.supervisor`),
so the browser, the dashboard's server and the terminal may all go away.
"""

import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import psutil

from trainers.config import RunConfig
from trainers.runs import Run, RunError, load_config, new_run
from trainers.status import (
    ALIVE,
    FINISHED,
    STARTING,
    STOPPING,
    Status,
    observed,
    write_status,
)

REPOSITORY = Path(__file__).resolve().parents[2]


def code_version() -> str:
    """The version of this code, noted in every run."""
    try:
        return metadata.version("vogn-app")
    except metadata.PackageNotFoundError:
        return "unknown"


def launch(config: RunConfig, path: Path | None = None) -> Run:
    """Start a run as a detached process and return at once.

    Args:
        config: A checked configuration.
        path: The run folder; by default a new one under `runs_root()`.

    Returns:
        The run, in state `starting`.

    Raises:
        RunError: If the folder exists and is not empty.
    """
    run = new_run(config, code_version(), path)
    _supervise(run, Status(state=STARTING, created=time.time()))
    return run


def resume(run: Run) -> None:
    """Go on with a stopped, failed or lost run, detached.

    Args:
        run: The run.

    Raises:
        RunError: If the run is still alive, has finished, or is damaged.
    """
    load_config(run)
    status = observed(run)
    if status.state in (*ALIVE, FINISHED):
        raise RunError(f"Run {run.id} cannot be resumed: it is {status.state}.")
    _supervise(run, Status(state=STARTING, created=status.created))


def _supervise(run: Run, status: Status) -> None:
    run.log.parent.mkdir(exist_ok=True)
    run.stop_request.unlink(missing_ok=True)
    write_status(run, status)
    with (run.log.parent / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - an argument list of our own
            [sys.executable, "-m", "trainers.jobs.supervisor", str(run.path)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Without a wait the ended supervisor would stay as a zombie of this process.
    threading.Thread(target=process.wait, daemon=True).start()


def stop(run: Run) -> None:
    """Ask a run to stop at its next step, with a checkpoint; returns at once.

    The supervisor ends what does not obey in time. Stopping an ended run does nothing.

    Args:
        run: The run.

    Raises:
        RunError: If the run's status cannot be read.
    """
    status = observed(run)
    if status.state not in ALIVE:
        return
    run.stop_request.touch()
    supervised = status.supervisor is not None and status.supervisor.handle()
    if not supervised and status.state != STOPPING:
        for process in status.processes():
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                process.send_signal(signal.SIGTERM)


def delete(run: Run) -> None:
    """Remove a run's folder for good.

    Args:
        run: The run.

    Raises:
        RunError: If the run is alive.
    """
    try:
        status = observed(run)
    except RunError:
        status = None  # a damaged run may always be removed
    if status and status.state in ALIVE:
        raise RunError(f"Run {run.id} cannot be deleted: it is {status.state}.")
    # Renamed first: a half-removed folder is never taken for a run.
    grave = run.path.with_name(f".deleted-{run.id}-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):  # deleted twice
        run.path.rename(grave)
        shutil.rmtree(grave)


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """All processes below one, [] when it is gone."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
