"""A predictor seen from who asks it: the process, the pipe to it, and its failures.

Torch-free. The process ends when this object's side of the pipe is closed, also by the
end of whoever holds it.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainers.jobs.processes import ROLE
from trainers.jobs.start import REPOSITORY
from trainers.predictor.protocol import (
    Message,
    ProtocolError,
    read_message,
    write_message,
)
from trainers.runs import Run, RunError, log_tail

LOADING, ANSWERING = 180.0, 120.0  # seconds
COMMAND = ("-m", "trainers.predictor")  # behind which the run's folder comes
_GRACE = 2.0  # seconds to end in
_TAIL = 12  # lines of the log that a message of failure has


class PredictorError(RunError):
    """A run's network cannot be asked, or does not answer."""


class RefusedError(PredictorError):
    """The network was asked for what it cannot do; it lives on."""


def predictor_role(run: Run) -> str:
    """The role of the process that answers for a run."""
    return f"predictor {run.path}"


class Predictor:
    """One process, and the pipe to it; sessions take turns.

    Args:
        run: The run it answers for.
        log: File for what it prints.
    """

    def __init__(self, run: Run, log: Path) -> None:
        self.run, self._log = run, log
        self._turn = threading.Lock()
        self.num_waiting = 0  # sessions that ask it, or are about to
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, ROLE: predictor_role(run)}
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - an argument list of our own
                [sys.executable, *COMMAND, str(run.path)],
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )
        self._greeted = False

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, request: Message, timeout: float = ANSWERING) -> Message:
        """Send a request, and wait for the answer.

        Args:
            request: The request.
            timeout: Seconds; a process that takes longer is ended.

        Returns:
            The answer.

        Raises:
            RefusedError: If it cannot be answered.
            PredictorError: If the process fails.
        """
        with self._turn:
            if not self._greeted:  # it tells that it has loaded, or why it could not
                self._exchange(None, LOADING)
                self._greeted = True
            return self._exchange(request, timeout)

    def _exchange(self, request: Message | None, timeout: float) -> Message:
        with self._ended_after(timeout) as late:
            is_sent = request is None or self._sent(request)
            answer = self._received() if is_sent else None
        if answer is None:
            self.end()
            raise PredictorError(self._obituary(timeout if late.is_set() else 0))
        if answer.content.get("ok") is not True:
            problem = str(answer.content.get("problem", "no reason given."))
            kind = RefusedError if self._greeted else PredictorError
            raise kind(f"The network cannot answer: {problem}")
        return answer

    @contextmanager
    def _ended_after(self, seconds: float) -> Iterator[threading.Event]:
        """Kill the process if the block takes longer; the event says that it did."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _sent(self, request: Message) -> bool:
        """Send a request; whether there is somebody to take it.

        Raises:
            RefusedError: If it is none that could be sent. Nothing was.
        """
        assert self._process.stdin
        try:
            write_message(self._process.stdin, request)  # type: ignore[arg-type]
        except ProtocolError as error:
            raise RefusedError(f"The network cannot be asked this: {error}") from None
        except (OSError, ValueError):  # a pipe that is broken, or closed
            return False
        return True

    def _received(self) -> Message | None:
        """The answer; None if the process ended without one.

        Raises:
            PredictorError: If it cannot be understood; the process is ended.
        """
        assert self._process.stdout
        try:
            return read_message(self._process.stdout)  # type: ignore[arg-type]
        except ProtocolError as error:
            if not self.alive:
                return None
            self.end()
            raise PredictorError(f"The network's answer is none: {error}") from None
        except (OSError, ValueError):  # a pipe that is broken, or closed
            return None

    def _obituary(self, timeout: float) -> str:
        if timeout:
            return f"The network took more than {timeout:g} s to answer and was ended."
        tail = "\n".join(log_tail(self._log).splitlines()[-_TAIL:])
        return f"The network's process ended. Its last words:\n{tail or '(none)'}"

    def end(self) -> None:
        """End the process, and wait until it is gone."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
