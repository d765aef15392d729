"""Look after the dispatcher in this terminal and print what it says, or end it.

Neither ends a training: runs have supervisors of their own.
"""

import argparse
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Self

from trainers import jobs
from trainers.commands.choosing import alive, known_runs
from trainers.jobs.home import Home
from trainers.jobs.start import ensure_dispatcher
from trainers.jobs.switch import end_dispatcher
from trainers.status import QUEUED

HELP = "keep the dispatcher alive in this terminal, or end it"
POLL = 0.5  # seconds between two looks


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `serve`."""
    parser.add_argument(
        "--stop", action="store_true", help="end the dispatcher; runs go on"
    )


def run(options: argparse.Namespace) -> int:
    """Keep the dispatcher until told to go, or end it."""
    home = Home.here()
    return _end(home) if options.stop else _keep(home)


def _keep(home: Home) -> int:
    _ = jobs.engine().store  # an unusable one is told here, and not in a log
    with _interruption() as interrupted, Lines(home.dispatcher_log) as lines:
        ensure_dispatcher(home)
        print(f"The dispatcher's log is {home.dispatcher_log}; Ctrl-C leaves it.")
        while not interrupted.wait(POLL):
            print(lines.read(), end="", flush=True)
            if not ensure_dispatcher(home, by_person=False):
                print("The dispatcher was ended by somebody else.")
                return 0
        print(lines.read(), end="")
    print(
        "The dispatcher and all runs go on; end it with: "
        "python -m trainers serve --stop"
    )
    return 0


def _end(home: Home) -> int:
    was_there = end_dispatcher(home)
    print("The dispatcher has ended." if was_there else "No dispatcher was there.")
    states = known_runs(jobs.engine()).values()
    waiting = sum(state.status.state == QUEUED for state in states)
    working = sum(map(alive, states)) - waiting
    print(f"At work and going on: {working}. Waiting in the queue: {waiting}.")
    if waiting:
        print("What waits starts again with: python -m trainers serve")
    return 0


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """An event for the time of the block, set when somebody wants us to go."""
    event = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        event.set()

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {signum: signal.signal(signum, end) for signum in signals}
    try:
        yield event
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class Lines:
    """What is added to a log from now on, also when another file takes its place.

    Args:
        path: The log; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = self._opened()
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def _opened(self) -> IO[bytes] | None:
        try:
            return self._path.open("rb")
        except OSError:
            return None

    def read(self) -> str:
        """What was added since the last call."""
        content = self._file.read() if self._file else b""
        if not self._is_current():
            self.close()
            self._file = self._opened()
            content += self._file.read() if self._file else b""
        return content.decode(errors="replace")

    def _is_current(self) -> bool:
        if self._file is None:
            return False
        try:
            there = self._path.stat()
        except OSError:
            return True  # between two files
        return os.path.samestat(os.fstat(self._file.fileno()), there)

    def close(self) -> None:
        """Close the file that is read."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
