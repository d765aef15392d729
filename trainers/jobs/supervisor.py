"""The process that starts one trainer, watches it, and tells the truth at its end.

`python -m trainers.jobs.supervisor RUN_FOLDER`. It lives in its own session, adopts
whatever its trainer leaves behind (child subreaper), passes a stop on, and after the
grace period ends all that is left. It never imports torch.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

import psutil

from trainers.jobs.control import REPOSITORY, descendants
from trainers.runs import Run, RunError, log_tail
from trainers.status import (
    ENDED,
    FAILED,
    STARTING,
    STOPPED,
    Process,
    Status,
    end_status,
    read_status,
    write_status,
)

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
GRACE = float(os.environ.get("VOGN_STOP_GRACE", "30"))  # seconds
POLL = 0.2  # seconds
TAIL_LINES = 20


class Supervisor:
    """Runs one trainer to its end.

    Args:
        run: The run to train.
        arguments: Command of the trainer; by default this project's own.
        grace: Seconds between the polite and the final signal.
    """

    def __init__(
        self, run: Run, arguments: list[str] | None = None, grace: float = GRACE
    ) -> None:
        self.run = run
        self.grace = grace
        self.arguments = arguments or [
            sys.executable, "-m", "trainers", "train", str(run.path),
        ]  # fmt: skip

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Signal handler: a signal to the supervisor is a request to stop the run."""
        self.run.stop_request.touch()

    def supervise(self) -> Status:
        """Start the trainer, wait for its end, and write the final status."""
        _adopt_orphans()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self.request_stop)
        self._own = Process.current()
        status = replace(read_status(self.run), state=STARTING, supervisor=self._own)
        write_status(self.run, status)
        self.run.log.parent.mkdir(exist_ok=True)
        with self.run.log.open("ab") as log:
            trainer = subprocess.Popen(  # noqa: S603 - an argument list of our own
                self.arguments,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        code = self._wait(trainer)
        end_descendants()
        return self._conclude(code)

    def _wait(self, trainer: "subprocess.Popen[bytes]") -> int:
        deadline = None
        while True:
            with suppress(subprocess.TimeoutExpired):
                return trainer.wait(timeout=POLL)
            if deadline is None and self.run.stop_request.exists():
                trainer.terminate()
                deadline = time.monotonic() + self.grace
            elif deadline is not None and time.monotonic() > deadline:
                end_descendants()

    def _conclude(self, code: int) -> Status:
        status = read_status(self.run)
        if status.state in ENDED or status.supervisor != self._own:
            return status  # told by the trainer, or resumed by another supervisor
        if self.run.stop_request.exists():
            message = "Stopped on request."
            return end_status(self.run, status, STOPPED, message=message)
        killed = code == -signal.SIGKILL
        tail = "\n".join(log_tail(self.run).splitlines()[-TAIL_LINES:])
        message = f"The training process ended with exit code {code}."
        if killed:
            message = "The training process was killed, most likely for want of memory."
        kind = "out of memory" if killed else "other"
        return end_status(
            self.run, status, FAILED, error_class=kind, message=message, error_tail=tail
        )


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants() -> None:
    """Kill every process below this one and wait until they are gone."""
    left = descendants(psutil.Process())
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=5)


def main() -> None:
    """Entry point."""
    run = Run(Path(sys.argv[1]))
    try:
        Supervisor(run).supervise()
    except RunError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
