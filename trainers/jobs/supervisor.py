"""The process that starts one trainer, watches it, and tells the truth at its end.

`python -m trainers.jobs.supervisor RUN_FOLDER`, in a session of its own. It adopts what
its trainer leaves behind (child subreaper), passes a stop on, and after the grace
period kills all that is left. If a supervisor is killed, the dispatcher starts another
one with `--attach`, which watches the trainer that goes on. It never imports torch.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Protocol

import psutil

from trainers.jobs import failures
from trainers.jobs.home import Home
from trainers.jobs.locks import FileLock
from trainers.jobs.logs import begin_logs, last_words, shorten_logs
from trainers.jobs.processes import (
    ROLE,
    adopt_orphans,
    belonging_to,
    descendants,
    end_all,
    mirror_role,
    reap,
    run_role,
    strays_among,
    supervisor_role,
    with_role,
)
from trainers.jobs.settings import HANDED, stop_grace
from trainers.jobs.start import ensure_dispatcher, spawn
from trainers.mirrors import names_from
from trainers.runs import Run, RunError, is_there
from trainers.status import (
    ENDED,
    FAILED,
    LOST,
    ON_REQUEST,
    STARTING,
    STOPPED,
    Process,
    Status,
    Supervision,
    end_status,
    read_status,
    read_supervision,
    write_status,
    write_supervision,
)

POLL = 0.2  # seconds
BEAT = 2.0  # seconds between two signs of life
MIRROR_PATIENCE = 15.0  # seconds that trackers have to take the last rows
MIRROR_GRACE = 6.0  # seconds more after they were asked to leave
UNSEEN = (
    "The training process ended without a word while its supervisor was being "
    "replaced; it can be resumed."
)
TAKEN = 3  # exit code: the run has another supervisor


class Watched(Protocol):
    """A process that was started here or is merely looked at."""

    pid: int

    def poll(self) -> int | None:
        """Exit code, None while it lives; `UNKNOWN` if it was not our child."""

    def terminate(self) -> None:
        """Ask it to end."""


UNKNOWN = -(10**6)  # exit code of a process that another supervisor started


class Adopted:
    """A trainer that an earlier supervisor started.

    Args:
        process: The process.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        """None while it lives, then `UNKNOWN`."""
        return UNKNOWN if self._process.handle() is None else None

    def terminate(self) -> None:
        """Ask it to end."""
        handle = self._process.handle()
        if handle is not None:
            with suppress(psutil.NoSuchProcess):
                handle.terminate()


class Supervisor:
    """Watches one run to its end. The caller holds the run's lock.

    Args:
        run: The run.
        home: Where the engine lives.
        num_processes: Ranks of the run.
        start: Which start of the run this is.
        handed: Variables of the trainer on top of this process's own.
    """

    def __init__(
        self,
        run: Run,
        home: Home,
        num_processes: int = 1,
        start: float = 0.0,
        handed: Mapping[str, str] | None = None,
    ) -> None:
        self.run, self.home, self.num_processes = run, home, num_processes
        self._variables = {**os.environ, **(handed or {})}
        self.grace = stop_grace(self._variables)
        own = Process.current()
        session = own if os.getsid(0) == own.pid else None
        self._watch = Supervision(supervisor=own, session=session, start=start)
        self._beaten = 0.0
        self._signalled = False

    def supervise(self) -> Status:
        """Start the trainer, wait for its end, and write the final status."""
        self._begin()
        if self._is_asked():
            return self._conclude(0, 0)
        status = replace(
            read_status(self.run), state=STARTING, trainer=None, workers=(), phase=""
        )
        write_status(self.run, status)
        begin_logs(self.run)
        failures.report_path(self.run).unlink(missing_ok=True)  # of an earlier start
        kills = failures.oom_kills()
        trainer = self._started()
        launcher = Process.of(trainer.pid)
        self._watch = write_supervision(
            self.run, replace(self._watch, launcher=launcher)
        )
        mirrors = self._mirrored()
        status = self._conclude(self._wait(trainer), kills)
        if mirrors is not None:
            mirrors.wait()
        return status

    def attend(self) -> Status:
        """Watch the trainer that an earlier supervisor left, to its end."""
        earlier = read_supervision(self.run)
        if earlier is None or earlier.launcher is None:
            raise RunError(f"{self.run.supervision} names no process to attend to.")
        self._watch = replace(earlier, supervisor=self._watch.supervisor)
        self._begin()
        kills = failures.oom_kills()
        return self._conclude(self._wait(Adopted(earlier.launcher)), kills)

    def _begin(self) -> None:
        adopt_orphans()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._request_stop)
        self._tell()

    def _tell(self) -> None:
        """Give a sign of life, for people and for the dispatcher."""
        with suppress(OSError):  # a time needs no room on a disk that may be full
            os.utime(self.home.run_lock(self.run))
        with suppress(OSError):
            self.run.log.parent.mkdir(exist_ok=True)
            self._watch = write_supervision(self.run, self._watch)

    def _request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Signal handler: a signal to the supervisor is a request to stop the run."""
        self._signalled = True
        with suppress(OSError):  # on a full disk nobody else can be told
            self.run.stop_request.touch()

    def _is_asked(self) -> bool:
        """Whether somebody wants the run to stop."""
        return self._signalled or is_there(self.run.stop_request)

    def _started(self) -> "subprocess.Popen[bytes]":
        module = self._variables.get("VOGN_TRAINER") or "trainers"
        words, log = ["train", str(self.run.path)], self.run.log
        environment = {**self._variables, ROLE: run_role(self.run)}
        if self.num_processes > 1:
            module, log = "trainers.launcher", self.run.log.with_name("launcher.log")
            words = ["--nproc-per-node", str(self.num_processes), str(self.run.path)]
            environment["VOGN_RANK_LOGS"] = str(self.run.log.parent)
        return spawn(module, words, environment, log)

    def _mirrored(self) -> "subprocess.Popen[bytes] | None":
        """The process that copies the run to trackers, if there is to be one."""
        names = names_from(self._variables.get("VOGN_MIRRORS", ""))
        if not names:
            return None
        words = [str(self.run.path), *names]
        environment = {**self._variables, ROLE: mirror_role(self.run)}
        log = self.run.log.with_name("mirrors.log")
        return spawn("trainers.mirrors", words, environment, log)

    def _wait(self, trainer: Watched) -> int:
        deadline = None
        while (code := trainer.poll()) is None:
            self._beat(trainer)
            if deadline is None and self._is_asked():
                trainer.terminate()
                deadline = time.monotonic() + self.grace
            elif deadline is not None and time.monotonic() > deadline:
                self._end_processes()
            time.sleep(POLL)
        self._end_processes()
        return code

    def _end_processes(self) -> None:
        end_all(lambda: belonging_to(self.run, self._watch))

    def _beat(self, trainer: Watched) -> None:
        """Give a sign of life; see to the logs and to it that the dispatcher lives."""
        now = time.monotonic()
        if now - self._beaten < BEAT:
            return
        self._beaten = now
        with suppress(OSError):
            shorten_logs(self.run)
        family = descendants(psutil.Process())
        reap(family, spared=trainer.pid)
        earlier = [stray for stray in self._watch.strays if stray.handle()]
        strays = dict.fromkeys([*earlier, *strays_among(family)])
        self._watch = replace(self._watch, strays=tuple(strays))
        self._tell()
        with suppress(OSError):
            ensure_dispatcher(self.home, by_person=False)

    def _conclude(self, code: int, kills: int) -> Status:
        """Write how the run ended, unless the trainer did."""
        status, report = read_status(self.run), failures.read_report(self.run)
        asked = self._is_asked()
        # Ranks whose torchrun or sibling is killed stop in order, but nobody asked.
        forced = status.state == STOPPED and not asked and (report or code < 0)
        if status.state not in ENDED or forced:
            ending = self._ending(code, kills, report)
            status = end_status(self.run, status, **ending)
        self._watch = write_supervision(self.run, replace(self._watch, concluded=True))
        self._end_mirrors()
        return status

    def _ending(
        self, code: int, kills: int, report: failures.Report | None
    ) -> dict[str, str]:
        if self._is_asked():
            return {"state": STOPPED, "message": ON_REQUEST}
        tail = last_words(self.run, (report.rank or 0) if report else 0)
        if code == UNKNOWN and report is None:
            return {"state": LOST, "message": UNSEEN, "error_tail": tail}
        failure = failures.explain(
            None if code == UNKNOWN else code,
            report,
            failures.oom_kills() - kills,
            tail,
        )
        return {
            "state": FAILED, "error_class": failure.error_class,
            "message": failure.message, "error_tail": tail,
        }  # fmt: skip

    def _end_mirrors(self) -> None:
        """Let trackers take the last rows, but not for ever."""
        mirrors = with_role(mirror_role(self.run))
        _, slow = psutil.wait_procs(mirrors, timeout=MIRROR_PATIENCE)
        self._tell()
        for mirror in slow:
            with suppress(psutil.NoSuchProcess):
                mirror.terminate()  # it notes how far it came
        psutil.wait_procs(slow, timeout=MIRROR_GRACE)
        end_all(lambda: with_role(mirror_role(self.run)))


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers.jobs.supervisor")
    parser.add_argument("run", type=Path)
    parser.add_argument("--num-processes", type=int, default=1)
    parser.add_argument("--start", type=float, default=0.0)
    parser.add_argument("--attach", action="store_true")
    options = parser.parse_args()
    run, home = Run(options.run.absolute()), Home.here()
    with FileLock(home.run_lock(run)) as lock:
        if not lock.acquire():
            return TAKEN
        handed = json.loads(os.environ.pop(HANDED, "{}"))
        # Another engine on the same runs has locks of its own; the roles are all one.
        others = [supervisor_role(run), *([] if options.attach else [run_role(run)])]
        if [p for p in with_role(*others) if p.pid != os.getpid()]:
            return TAKEN
        try:
            supervisor = Supervisor(
                run, home, options.num_processes, options.start, handed
            )
            supervisor.attend() if options.attach else supervisor.supervise()
        except (RunError, ValueError, OSError) as error:
            end_all(lambda: belonging_to(run))
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
