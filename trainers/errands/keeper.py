"""The keeper of an errand: `python -m trainers.errands.keeper PLACE MODULE WORDS...`.

It holds the place's lock, starts the errand, and notes how it ended. `PLACE.stop` and
SIGTERM end the errand with all of its children, and then the keeper.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from trainers.errands import SIGNALLED, note, suffixed
from trainers.jobs.locks import FileLock
from trainers.ranks import LAUNCHER
from trainers.stopping import SIGNALS, end_children, handling

GRACE = 10.0  # seconds that an errand has to end by itself
POLL = 0.2  # seconds between two looks whether it is to end


def main(words: Sequence[str]) -> int:
    """Keep one errand; the exit code is its own."""
    place, arguments = Path(words[0]), list(words[1:])
    started = time.time()
    with FileLock(suffixed(place, "lock")) as lock:
        if not lock.acquire():
            sys.stderr.write("Another one is under way here.\n")
            return 3
        lock.write(str(os.getpid()))
        note(place, arguments, started)
        request = suffixed(place, "stop")
        code = _kept([sys.executable, "-u", "-m", *arguments], lock, request)
        note(place, arguments, started, code)
        request.unlink(missing_ok=True)
    return code


def _kept(command: Sequence[str], lock: FileLock, request: Path) -> int:
    """Run a command to its end, or to ours.

    It holds the lock with us: if we are killed, the place is not free before its end.
    Those commands that nobody else needs look whether we live (`launcher_is_gone`).
    """
    asked: list[int] = []
    with handling(SIGNALS, lambda number, _: asked.append(number)):
        process = subprocess.Popen(  # noqa: S603 - words of our own pages
            command, stdin=subprocess.DEVNULL, pass_fds=lock.handed_on(),
            env={**os.environ, LAUNCHER: str(os.getpid())},
        )  # fmt: skip
        lock.write(f"{os.getpid()} {process.pid}")
        while not asked and not request.exists():
            try:
                return _code(process.wait(timeout=POLL))
            except subprocess.TimeoutExpired:
                continue
        family = psutil.Process(process.pid).children(recursive=True)
        end_children([psutil.Process(process.pid), *family], GRACE)
        process.wait()
        sys.stderr.write("Stopped on request.\n")
        return SIGNALLED


def _code(found: int) -> int:
    """An exit code as shells give it: 128 and the number of a signal that ended it."""
    return found if found >= 0 else 128 - found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
