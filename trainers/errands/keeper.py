"""The keeper of an errand: `python -m trainers.errands.keeper PLACE MODULE WORDS...`.

It holds the place's lock, starts the errand, and notes how it ended. `PLACE.stop` and
SIGTERM end the errand with all of its children, and then the keeper; so does the loss
of the place, as when the run's folder is deleted at the command line.
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
    if _is_gone(place.parent):  # the lock would make it again
        sys.stderr.write("The folder is gone.\n")
        return 3
    with FileLock(suffixed(place, "lock")) as lock:
        if not lock.acquire():
            sys.stderr.write("Another one is under way here.\n")
            return 3
        lock.write(str(os.getpid()))
        note(place, arguments, started)
        code = _kept([sys.executable, "-u", "-m", *arguments], lock, place)
        if not _is_gone(suffixed(place, "lock")):
            note(place, arguments, started, code)
            suffixed(place, "stop").unlink(missing_ok=True)  # last, see `errands._ask`
    return code


def _is_gone(path: Path) -> bool:
    """Whether there is nothing at a path; not if its disk only fails to tell."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _is_to_end(place: Path) -> bool:
    return suffixed(place, "stop").exists() or _is_gone(suffixed(place, "lock"))


def _kept(command: Sequence[str], lock: FileLock, place: Path) -> int:
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
        while not asked and not _is_to_end(place):
            try:
                return _code(process.wait(timeout=POLL))
            except subprocess.TimeoutExpired:
                continue
        if process.poll() is not None:  # it was faster than the wish
            return _code(process.returncode)
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
