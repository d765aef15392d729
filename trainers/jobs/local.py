"""The job engine of this machine, as its clients see it.

A client writes what it wants into the store and into run folders, makes sure that there
is a dispatcher, and leaves. Nothing here waits for a training.
"""

import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from trainers import errands
from trainers.config import RunConfig
from trainers.jobs import devices
from trainers.jobs.endings import Endings
from trainers.jobs.failures import explain
from trainers.jobs.folders import leave_queue, prepare_folder, waiting
from trainers.jobs.home import Home
from trainers.jobs.inventory import Inventory, take_inventory
from trainers.jobs.launcher import (
    JobState,
    checked_group,
    checked_priority,
    code_version,
)
from trainers.jobs.scheduling import moved, with_priority
from trainers.jobs.schema import ACTIVE, ENDED, QUEUED
from trainers.jobs.settings import check_submitter, of_submitter
from trainers.jobs.start import ensure_dispatcher
from trainers.jobs.store import PAUSED, Job, Store
from trainers.runs import (
    Run,
    RunError,
    check_free,
    is_there,
    load_config,
    log_tail,
    new_paths,
    whole_path,
)
from trainers.status import (
    ALIVE,
    FAILED,
    LOST,
    STARTING,
    STOPPING,
    Status,
    check_resumable,
    observed,
    processes_of,
)
from trainers.status import QUEUED as QUEUED_STATE

SETTLING = 10.0  # seconds that an ended run's supervisor and dispatcher may take


class Engine:
    """Queue, devices and processes of this machine; a `Launcher`.

    Args:
        home: Where it lives; by default where the environment says.
    """

    def __init__(self, home: Home | None = None) -> None:
        self.home = home or Home.here()
        self._store: Store | None = None
        self._endings = Endings()

    @property
    def store(self) -> Store:
        """The job store; opened when first needed, and again if it was removed."""
        if self._store is None or not self._store.is_there():
            self._store = Store(self.home)
        return self._store

    def submit(
        self,
        configs: Sequence[RunConfig],
        *,
        paths: Sequence[Path] | None = None,
        group: str = "",
        priority: int = 0,
    ) -> list[Run]:
        """Queue new runs, all or none; see `Launcher`."""
        check_submitter(os.environ)
        group, priority = group and checked_group(group), checked_priority(priority)
        if paths is not None and len(paths) != len(configs):
            raise ValueError(
                f"paths must be as many as configs, {len(configs)}, got {len(paths)}."
            )
        inventory = self.inventory().devices
        for config in configs:
            training = config.training
            devices.wanted(training.device, training.num_processes, inventory)
        folders = [whole_path(path) for path in paths or new_paths(len(configs))]
        for folder in folders:
            check_free(folder)
        queued = [
            _job(folder, config, group=group, priority=priority)
            for folder, config in zip(folders, configs, strict=True)
        ]
        self.store.add(queued)
        try:
            for job in queued:
                if not is_there(job.run.status):  # else others were faster
                    prepare_folder(job)
        except (OSError, RunError) as error:
            self._undo(queued)
            raise RunError(f"nothing was queued: {error}") from None
        ensure_dispatcher(self.home)
        return [job.run for job in queued]

    def _undo(self, queued: Sequence[Job]) -> None:
        """Take back a submission of which some folders could not be made."""
        for job in queued:
            if self.store.cancel(job.path):
                self.store.forget(job.path)
                shutil.rmtree(job.path, ignore_errors=True)

    def resume(self, run: Run) -> None:
        """Queue a stopped, failed or lost run again.

        Raises:
            RunError: If the run is alive, has finished, or is damaged.
        """
        config = load_config(run)
        check_submitter(os.environ)
        earlier = self._settled(run)
        status = self.state(run).status
        check_resumable(run, status.state)
        run.stop_request.unlink(missing_ok=True)
        if earlier is not None and earlier.stage == ACTIVE:
            raise RunError(f"Run {run.id} is still ending; resume it in a moment.")
        job = _job(
            run.path,
            config,
            group=earlier.group if earlier else "",
            priority=earlier.priority if earlier else 0,
            submitted=status.created,
        )
        self.store.add([job])
        ensure_dispatcher(self.home)

    def state(self, run: Run) -> JobState:
        """How a run stands; RunError if its folder is damaged."""
        return self._seen(run, self.store.get(run.path), self._places())

    def states(self, runs: Iterable[Run]) -> dict[Run, JobState]:
        """How many runs stand; damaged ones are left out."""
        runs = list(runs)
        rows, places = self.store.find(run.path for run in runs), self._places()
        if any(job.stage != ENDED for job in rows.values()):
            ensure_dispatcher(self.home, by_person=False)  # all may have been killed
        seen = {}
        for run in runs:
            with suppress(RunError):
                seen[run] = self._seen(run, rows.get(str(run.path)), places)
        return seen

    def _places(self) -> dict[str, int]:
        queue = self.store.queued()
        return {job.path: place for place, job in enumerate(queue, start=1)}

    def _seen(self, run: Run, job: Job | None, places: dict[str, int]) -> JobState:
        try:
            status = self._endings.observed(run)
        except RunError:
            if job is None or not is_there(run.path):
                raise
            status = Status(state=QUEUED_STATE, created=job.submitted)
        if job is None or job.stage == ENDED:
            if status.state in (QUEUED_STATE, LOST) and job is not None and job.outcome:
                status = _as_settled(status, job)
            elif status.state == QUEUED_STATE:
                status = _stray(status)
            return JobState(status=status, group=job.group if job else "")
        if job.stage == QUEUED and job.path in places:
            status = waiting(status)
        elif status.state == QUEUED_STATE or _is_of_earlier_start(status, job):
            stopping = is_there(run.stop_request)
            state = STOPPING if stopping else STARTING
            status = replace(waiting(status), state=state)
        return JobState(
            status=status,
            position=places.get(job.path),
            reason=job.reason,
            group=job.group,
            priority=job.priority,
        )

    def stop(self, run: Run) -> None:
        """Ask a run to stop at its next step, or take it from the queue.

        Raises:
            RunError: If the run's status cannot be read.
        """
        job = self.store.get(run.path)
        if job is not None and job.stage == QUEUED:
            if self.store.cancel(run.path):
                with suppress(OSError, RunError):  # the store's word must do
                    leave_queue(job)
                return
            job = self.store.get(run.path)  # it was claimed just now
        if self.state(run).status.state not in ALIVE:
            return
        asked_before = is_there(run.stop_request)
        run.stop_request.touch()
        if job is not None and job.stage != ENDED:
            ensure_dispatcher(self.home, by_person=False)
        elif not asked_before:  # started in a terminal: nobody else would tell it
            for process in processes_of(run):
                with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                    process.send_signal(signal.SIGTERM)

    def delete(self, run: Run) -> None:
        """Remove a run's folder for good.

        Raises:
            RunError: If the run is alive, or a measurement or report of it is made.
        """
        job, places = self._settled(run), self._places()
        state = job.stage if job and job.stage != ENDED else ""
        with suppress(RunError):  # a damaged run may always be removed
            state = self._seen(run, job, places).status.state
        if state in ALIVE or state == ACTIVE:
            raise RunError(f"Run {run.id} cannot be deleted: it is {state}.")
        if errands.is_at_work(run.path):
            raise RunError(
                f"Run {run.id} cannot be deleted: a measurement or a report of it is "
                "being made. Stop that first."
            )
        self.store.forget(run.path)
        # Renamed first: a half-removed folder is never taken for a run.
        grave = run.path.with_name(f".deleted-{run.id}-{secrets.token_hex(4)}")
        with suppress(FileNotFoundError):  # deleted twice
            run.path.rename(grave)
            shutil.rmtree(grave)

    def logs(self, run: Run, num_bytes: int = 4000) -> str:
        """The end of what a run printed."""
        return log_tail(run.log, num_bytes, within=run.path)

    def queue(self) -> list[Run]:
        """The queued runs, next one first."""
        return [job.run for job in self.store.queued()]

    def move(self, run: Run, place: int) -> None:
        """Put a queued run at a place, counted from 1.

        Raises:
            RunError: If it is not queued.
        """
        self._check_queued(run)
        self.store.arrange(lambda queue: moved(queue, str(run.path), place))

    def set_priority(self, run: Run, priority: int) -> None:
        """Change a queued run's priority; larger goes first.

        Raises:
            RunError: If it is not queued.
            ValueError: If the priority is out of range.
        """
        priority = checked_priority(priority)
        self._check_queued(run)
        self.store.arrange(lambda queue: with_priority(queue, str(run.path), priority))

    def pause(self) -> None:
        """Start nothing more; what runs goes on."""
        self.store.set(PAUSED, "1")

    def unpause(self) -> None:
        """Start again."""
        self.store.set(PAUSED, "0")
        ensure_dispatcher(self.home)

    @property
    def paused(self) -> bool:
        """Whether nothing is started."""
        return self.store.setting(PAUSED) == "1"

    def inventory(self) -> Inventory:
        """The devices of this machine, and who else uses them."""
        return take_inventory(self.store)

    def _settled(self, run: Run) -> Job | None:
        """The job of a run, after waiting for an ended one to be settled."""
        deadline = time.monotonic() + SETTLING
        while True:
            job = self.store.get(run.path)
            if job is None or job.stage != ACTIVE or time.monotonic() > deadline:
                return job
            with suppress(RunError):
                if observed(run).state in ALIVE:
                    return job
            ensure_dispatcher(self.home, by_person=False)
            time.sleep(0.1)

    def _check_queued(self, run: Run) -> None:
        job = self.store.get(run.path)
        if job is None or job.stage != QUEUED:
            raise RunError(f"Run {run.id} must be queued to be moved; it is not.")


def _job(
    path: Path,
    config: RunConfig,
    *,
    group: str = "",
    priority: int = 0,
    submitted: float | None = None,
) -> Job:
    content = {**config.to_dict(), "code_version": code_version()}
    return Job(
        path=str(path),
        config=json.dumps(content),
        priority=priority,
        group=group,
        device=config.training.device,
        num_processes=config.training.num_processes,
        environment=json.dumps(of_submitter(os.environ)),
        submitted=time.time() if submitted is None else submitted,
    )


def _is_of_earlier_start(status: Status, job: Job) -> bool:
    """Whether a claimed job's folder still tells how the run ended the last time."""
    return status.ended is not None and status.ended < (job.claimed or 0.0)


def _as_settled(status: Status, job: Job) -> Status:
    """The status of an ended job whose folder does not say how, or not yet."""
    status = replace(status, state=job.outcome, ended=job.ended)
    if not job.reason:
        return status
    kind = explain(None, tail=job.reason).error_class if job.outcome == FAILED else ""
    return replace(status, message=job.reason, error_class=kind)


def _stray(status: Status) -> Status:
    """The status of a run that says it is queued and is in no queue."""
    message = "It is in no queue any more; resume it to queue it again."
    return replace(status, state=LOST, message=message)
