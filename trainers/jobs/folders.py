"""The run folder of a job: made from its row, by whoever finds it missing."""

import json
import time
from dataclasses import replace

from trainers.jobs.store import Job
from trainers.runs import Run, RunError, is_there, write_json
from trainers.status import (
    ENDED,
    QUEUED,
    STOPPED,
    Status,
    processes_of,
    read_status,
    write_status,
)


def prepare_folder(job: Job) -> None:
    """See to it that a queued job's folder is there and says that it is queued.

    A run that is alive keeps its status: a slow submitter may come after the start.

    Args:
        job: The job. Its row was written first, so that a submitter that is killed
            leaves no folder of which nobody knows.

    Raises:
        RunError: If something else has taken the folder.
        OSError: If the folder cannot be written.
    """
    run = job.run
    if not is_there(run.config):
        _check_ours(run)
        run.path.mkdir(parents=True, exist_ok=True)
        write_json(run.config, json.loads(job.config))
    try:
        status = read_status(run)
        is_alive = status.state not in ENDED and bool(processes_of(run))
        if status.state == QUEUED or is_alive:
            return
    except RunError:
        status = Status(state=STOPPED, created=job.submitted or time.time())
    write_status(run, waiting(status))


def waiting(status: Status) -> Status:
    """The status of a run that is queued, from that of its last start."""
    return replace(
        status, state=QUEUED, ended=None, phase="", trainer=None, workers=(),
        error_class="", message="", error_tail="",
    )  # fmt: skip


def leave_queue(job: Job) -> None:
    """Write that a job was taken from the queue before it started.

    Raises:
        RunError: If something else has taken the folder, or its status is damaged.
        OSError: If the folder cannot be written.
    """
    if not is_there(job.run.status):  # its submitter is about to make it, or was killed
        prepare_folder(job)
    status = read_status(job.run)
    if status.state not in ENDED:
        message = "Taken from the queue before it started."
        ended = replace(status, state=STOPPED, ended=time.time(), message=message)
        write_status(job.run, ended)


def _check_ours(run: Run) -> None:
    """Refuse a folder of something else by RunError."""
    # Another process may be making the same folder just now, or was killed at it:
    # these are the unfinished files of `write_atomically`.
    written = (f".{run.config.name}.", f".{run.status.name}.")
    try:
        names = [path.name for path in run.path.iterdir()]
    except FileNotFoundError:
        return
    except NotADirectoryError:
        names = [run.id]
    foreign = [name for name in names if not name.startswith(written)]
    if foreign and run.config.name not in foreign:
        try:
            read_status(run)  # somebody removed the configuration of a run
        except RunError:
            text = f"run folder must be new or empty, got {run.path}."
            raise RunError(text) from None
