"""The one process of a machine that starts queued runs and settles ended ones.

`python -m trainers.jobs.dispatcher`; whoever finds it missing starts it. It may be
killed at any time: what it knows is in the store, in run folders and in locks, and the
next one goes on from there. It touches no run that has a living supervisor.
"""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from types import FrameType

import psutil

from trainers.jobs import devices
from trainers.jobs.announce import Announcer
from trainers.jobs.folders import prepare_folder
from trainers.jobs.home import Home
from trainers.jobs.inventory import take_inventory
from trainers.jobs.locks import FileLock, is_held
from trainers.jobs.logs import last_words, tail_of
from trainers.jobs.processes import (
    ROLE,
    belonging_to,
    end_all,
    mirror_role,
    supervisor_role,
    with_role,
)
from trainers.jobs.scheduling import Plan, held_by, plan
from trainers.jobs.settings import HANDED
from trainers.jobs.start import spawn
from trainers.jobs.store import PAUSED, REVISION, Decision, Job, Lease, Store
from trainers.jobs.verdicts import Verdict, verdict
from trainers.runs import Run, RunError, is_there
from trainers.status import (
    FAILED,
    LOST,
    ON_REQUEST,
    STOPPED,
    WITHOUT_A_WORD,
    end_status,
    read_status,
    read_supervision,
)

logger = logging.getLogger("trainers.jobs.dispatcher")
POLL = 0.3  # seconds between two looks for a change
LOOK = 3.0  # seconds between two looks at everything: GPUs become free unannounced
FROZEN = 30.0  # seconds without a sign of life of a supervisor, or until its first
ATTACH_INTERVAL = 2.0  # seconds between two new supervisors for a run
FULL = (errno.ENOSPC, errno.EDQUOT)  # what most likely ended a run, too
PAUSE_AFTER_ERROR = 5.0  # seconds
MAX_STARTS = 3  # of a supervisor that dies before it has begun


class Dispatcher:
    """Starts and settles the runs of one machine.

    Args:
        home: Where the engine lives.
        store: Its store.
    """

    def __init__(self, home: Home, store: Store) -> None:
        self.home, self.store = home, store
        self.host = store.host
        self.announcer = Announcer(store, self.host)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._attached: dict[str, float] = {}
        self._active: list[Job] = []
        self._revision: str | None = None
        self._looked = -LOOK
        self._signs: dict[str, tuple[float, float]] = {}
        self._unready: dict[str, str] = {}

    def tick(self) -> None:
        """Do what is due; next to nothing when nothing changed."""
        now, revision = time.monotonic(), self.store.setting(REVISION)
        if revision != self._revision or now - self._looked >= LOOK:
            self._revision, self._looked = revision, now
            self._active = self.store.active(self.host)
            self._children = {
                path: child
                for path, child in self._children.items()
                if child.poll() is None  # a zombie until asked
            }
            queue = self.store.queued()
            self._unready = {job.path: why for job in queue if (why := _unready(job))}
            if queue:
                self._start()
            self.announcer.tick()
        for job in self._active:
            try:
                self._attend(job)
            except (RunError, OSError, psutil.Error) as error:  # of this run alone
                logger.error("Run %s cannot be seen to: %s", job.run.id, error)

    def _start(self) -> None:
        """Start whatever the devices allow, in the order of the queue."""
        planned = Plan()
        inventory = take_inventory(self.store)
        paused = self.store.setting(PAUSED) == "1"

        def decide(queue: list[Job], leases: list[Lease]) -> Decision:
            nonlocal planned
            taken = {**inventory.others, **held_by(leases)}
            ready = [job for job in queue if job.path not in self._unready]
            planned = plan(ready, inventory.devices, taken, paused)
            planned.reasons.update({
                j.path: self._unready[j.path] for j in queue if j.path in self._unready
            })
            starts = [(job, [d.id for d in got]) for job, got in planned.starts]
            return starts, planned.reasons

        claimed = {job.path: job for job in self.store.claim(self.host, decide)}
        for job, got in planned.starts:
            names = ", ".join(device.name for device in got)
            logger.info("Run %s starts on %s.", job.run.id, names)
            variables = devices.environment(got, job.device, inventory.devices)
            variables |= devices.threads(got, inventory.slots, devices.cores())
            try:
                prepare_folder(claimed[job.path])
                self._supervise(claimed[job.path], variables)
            except (RunError, OSError) as error:  # it is judged with those that end
                logger.error("Run %s cannot be started: %s", job.run.id, error)

    def _supervise(
        self, job: Job, variables: dict[str, str], attach: bool = False
    ) -> None:
        """Start the supervisor of a claimed job."""
        run = job.run
        words = [job.path, "--num-processes", str(job.num_processes)]
        words += ["--start", repr(job.claimed)]
        environment = {
            **os.environ,
            **self.home.environment(),
            ROLE: supervisor_role(run),
            HANDED: json.dumps(variables | json.loads(job.environment)),
        }
        self._children[job.path] = spawn(
            "trainers.jobs.supervisor",
            [*words, "--attach"] if attach else words,
            environment,
            run.log.with_name("supervisor.log"),
            detached=True,
        )

    def _attend(self, job: Job) -> None:
        """Settle a job that has no supervisor any more, or give it a new one."""
        run = job.run
        lock = self.home.run_lock(run)
        held = is_held(lock)
        if held or self._is_booting(job):
            self._end_frozen(job, lock.stat().st_mtime if held else 0.0)
            return
        self._signs.pop(job.path, None)
        watch = read_supervision(run)
        launcher = watch.launcher if watch else None
        if launcher is not None and launcher.handle() is not None:
            self._attach(job)
            return
        # The role first: nothing may start between the look and the verdict.
        if not end_all(
            lambda: [*belonging_to(run, watch), *with_role(mirror_role(run))]
        ):
            logger.error("Run %s has processes that cannot be killed.", run.id)
            return
        self._conclude(job)

    def _end_frozen(self, job: Job, sign: float) -> None:
        """Kill a supervisor that does not move; the next one takes its place.

        Args:
            job: The job.
            sign: Its last sign of life, or any number while it boots.
        """
        now = time.monotonic()
        last, since = self._signs.get(job.path, (sign, now))
        if last != sign:
            since = now
        self._signs[job.path] = (sign, since)
        if now - since > FROZEN:
            logger.warning("The supervisor of run %s is frozen.", job.run.id)
            for process in with_role(supervisor_role(job.run)):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def _attach(self, job: Job) -> None:
        """Give a run whose trainer lives a new supervisor, but not one a tick."""
        now = time.monotonic()
        if now - self._attached.get(job.path, -ATTACH_INTERVAL) >= ATTACH_INTERVAL:
            self._attached[job.path] = now
            logger.warning("Run %s gets a new supervisor.", job.run.id)
            self._supervise(job, {}, attach=True)

    def _is_booting(self, job: Job) -> bool:
        """Whether a supervisor is there that does not hold its lock yet."""
        child = self._children.get(job.path)
        if child is not None and child.poll() is None:
            return True
        return bool(with_role(supervisor_role(job.run)))

    def _conclude(self, job: Job) -> None:
        """Tell how a job ended whose processes are all gone."""
        run = job.run
        try:
            status = read_status(run)
        except RunError as error:  # somebody removed the folder
            self._settle(job, LOST, str(error))
            return
        watch, asked = read_supervision(run), is_there(run.stop_request)
        judged = verdict(status, watch, asked, job.claimed or 0.0)
        if judged is Verdict.NEVER_BEGAN and job.starts < MAX_STARTS:
            logger.warning("Run %s never began; it is queued again.", run.id)
            self.store.requeue(job)
            with suppress(OSError):
                prepare_folder(job)
            return
        state, told = status.state, ""
        if judged is not Verdict.AS_WRITTEN:
            ending = _ending(judged, run)
            state = ending["state"]
            try:
                end_status(run, status, **ending)
            except OSError as error:  # the store's word must do
                state = FAILED if state == LOST and error.errno in FULL else state
                told = f"{ending['message']} Its folder could not be told: {error}"
        self._settle(job, state, told)

    def _settle(self, job: Job, outcome: str, told: str = "") -> None:
        logger.info("Run %s: %s. %s", job.run.id, outcome, told)
        announced = not self.announcer.wanted
        self.store.settle(job, outcome, announced=announced, told=told)
        self.home.run_lock(job.run).unlink(missing_ok=True)
        self._attached.pop(job.path, None)
        self._signs.pop(job.path, None)


def _unready(job: Job) -> str:
    """See to it that a job has its folder; "" or why it has none."""
    if is_there(job.run.status) and is_there(job.run.config):
        return ""
    try:
        prepare_folder(job)  # its submitter may have been killed
    except (RunError, OSError) as error:
        return f"Its folder cannot be made: {error}"
    return ""


def _ending(judged: Verdict, run: Run) -> dict[str, str]:
    """State and words of a run that did not write them itself."""
    if judged is Verdict.STOPPED:
        return {"state": STOPPED, "message": ON_REQUEST}
    if judged is Verdict.NEVER_BEGAN:
        message = "The supervisor of this run could not be started."
        tail = tail_of(run.log.with_name("supervisor.log"))
        ending = {"state": FAILED, "error_class": "other", "message": message}
        return ending | {"error_tail": tail}
    message = WITHOUT_A_WORD
    if judged is Verdict.FORCED:
        message = "The processes above this run were killed; it can be resumed."
    return {"state": LOST, "message": message, "error_tail": last_words(run)}


def main() -> int:
    """Entry point: dispatch until switched off, or until the folder is gone."""
    home = Home.here()
    ended = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        ended.set()

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, end)
    with FileLock(home.dispatcher_lock) as lock:
        if not lock.acquire():
            return 0
        _log_to(home)
        lock.write(str(os.getpid()))
        home.booting.unlink(missing_ok=True)
        dispatcher = Dispatcher(home, Store(home))
        logger.info("Dispatcher %d begins.", os.getpid())
        while not (ended.is_set() or home.switched_off.exists()) and lock.is_ours():
            pause = POLL
            if not dispatcher.store.is_there():
                logger.error("The job store was removed: a new dispatcher is wanted.")
                break
            with suppress(OSError):
                os.utime(home.dispatcher_lock)  # a sign of life
            try:
                dispatcher.tick()
            except Exception:  # whatever it is, the queue must go on
                logger.exception("The dispatcher goes on after an error.")
                pause = PAUSE_AFTER_ERROR
            ended.wait(pause)
        logger.info("Dispatcher %d ends.", os.getpid())
    return 0


def _log_to(home: Home) -> None:
    handler = RotatingFileHandler(
        home.dispatcher_log, maxBytes=1_000_000, backupCount=1, encoding="utf-8"
    )
    form = "%(asctime)s %(levelname)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
