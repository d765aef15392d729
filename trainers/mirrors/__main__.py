"""`python -m trainers.mirrors RUN NAME...`: mirror a run, living or ended, to trackers.

Each mirror has a process of its own, so that one that breaks or hangs does not hold up
the others. Exit code 0 if all is mirrored, 1 if a mirror failed, 2 for a wrong command,
3 if a package is missing. A mirror that failed can be started again at any time and
goes on where it was.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence

import psutil

from trainers.jobs.processes import is_alive
from trainers.mirrors.catalogue import MIRRORS, missing, names_from
from trainers.mirrors.follow import follow
from trainers.mirrors.leave import GRACE, Leave
from trainers.mirrors.mirror import Mirror
from trainers.mirrors.mlflow import MlflowMirror
from trainers.mirrors.tensorboard import TensorBoardMirror
from trainers.mirrors.wandb import WandbMirror
from trainers.runs import Run, RunError, find_here
from trainers.stopping import end_children

CLASSES: dict[str, Callable[[Run], Mirror]] = {
    "tensorboard": TensorBoardMirror,
    "mlflow": MlflowMirror,
    "wandb": WandbMirror,
}
FAILED, WRONG, MISSING = 1, 2, 3
POLL = 0.5  # seconds between two looks at the mirrors' processes


def main(arguments: Sequence[str] | None = None) -> int:
    """Mirror one run, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        run = find_here(options.run)
        names = names_from(" ".join(options.names), "NAME")
    except (ValueError, RunError) as error:
        return _say(f"error: {error}", WRONG)
    return follow_one(run, *names) if len(names) == 1 else follow_each(run, names)


def follow_one(run: Run, name: str) -> int:
    """Mirror a run to one tracker in this process, and return the exit code."""
    lacking = missing(name)
    if lacking:
        return _say(lacking, MISSING)
    with Leave(f"mirror {name!r}") as leave:
        try:
            follow(run, name, CLASSES[name](run), leave)
        except (Exception, SystemExit) as error:  # trackers raise what they like
            return _say(f"mirror {name!r} failed: {_told(error)}", FAILED)
    return 0


def follow_each(run: Run, names: Sequence[str]) -> int:
    """Mirror a run to several trackers in a process each.

    Args:
        run: The run.
        names: Some of `MIRRORS`.

    Returns:
        0, or the exit code of the first mirror that failed.
    """
    command = [sys.executable, "-m", "trainers.mirrors", str(run.path)]
    children: list[psutil.Popen] = []
    with Leave("the mirrors", 3 * GRACE) as leave:
        try:
            children.extend(psutil.Popen([*command, name]) for name in names)
            while any(map(is_alive, children)) and not leave.requested:
                leave.pause(POLL)
        finally:
            end_children(children, GRACE + 1.0)
    codes = [child.wait() for child in children]
    for name, code in zip(names, codes, strict=True):
        if code:
            _say(f"mirror {name!r} ended with exit code {code}", code)
    return next((code if code > 0 else FAILED for code in codes if code), 0)


def _told(error: BaseException) -> str:
    """An error in a sentence, after the traceback of one that is not our own."""
    if isinstance(error, RunError):
        return str(error)
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}"


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.mirrors", description=__doc__
    )
    parser.add_argument("run", metavar="RUN", help="id or folder of the run")
    parser.add_argument("names", metavar="NAME", nargs="+", help=", ".join(MIRRORS))
    return parser


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # All is closed by now; a tracker's hooks at exit could only hang.
    os._exit(code)
