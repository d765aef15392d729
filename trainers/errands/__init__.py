"""Short programs that a page starts: a report, a measurement. Torch-free.

An errand has a place, a path without a suffix. Beside it lie `PLACE.json` (what was
started when, and how it ended), `PLACE.log` (what it printed) and `PLACE.lock`, which
its keeper and the errand itself hold: at one place there is one at a time. The keeper
(`trainers.errands.keeper`) is a process of its own, so that an errand goes on when the
page, the browser or the server is closed, and is found again afterwards. `PLACE.stop`
asks it to end the errand, also one that just begins. `.PLACE.begin` is held by whoever
begins or ends one, and stays.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from trainers.jobs.home import Home
from trainers.jobs.locks import FileLock, is_held
from trainers.jobs.processes import ROLE, with_role
from trainers.jobs.start import spawn
from trainers.runs import RunError, is_there, log_tail, read_json, write_json

RUNNING, DONE, FAILED = "running", "done", "failed"
STOPPED, LOST = "stopped", "lost"
BOOT = 10.0  # seconds that a keeper has to take its lock
SIGNALLED = 128 + signal.SIGTERM  # exit code of what was asked to end
KEEPER = "trainers.errands.keeper"


@dataclass(frozen=True)
class Errand:
    """An errand as it stands.

    Args:
        state: `RUNNING`, `DONE`, `FAILED`, `STOPPED` if somebody ended it, or `LOST` if
            its keeper was killed.
        arguments: The words behind `python -m`.
        started: Unix time.
        code: Exit code; None where it has none.
        log: The end of what it printed.
    """

    state: str
    arguments: tuple[str, ...]
    started: float
    code: int | None
    log: str


def begin(place: Path, arguments: Sequence[str]) -> None:
    """Start `python -m ARGUMENTS` at a place, and return at once.

    Args:
        place: Where; what an earlier errand left there is replaced.
        arguments: A module and its words.

    Raises:
        RunError: If one is under way there, or the place cannot be written to.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Of two that begin at once, the second sees what the first has noted.
        with FileLock(_turn(place)) as turn:
            if not turn.acquire() or _is_running(place):
                raise RunError(
                    "This is under way already: wait for its end, or stop it."
                )
            for suffix in ("log", "stop"):
                suffixed(place, suffix).unlink(missing_ok=True)
            note(place, arguments, time.time())
            process = _spawned(place, arguments)
    except OSError as error:
        raise RunError(f"{place.name} cannot be started: {error}") from None
    # Without a wait an ended keeper would stay as a zombie of this process.
    threading.Thread(target=process.wait, daemon=True).start()


def _spawned(place: Path, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    # With the home, by which the doctor knows its own.
    environment = {**os.environ, **Home.here().environment(), ROLE: _role(place)}
    words = [str(place), *arguments]
    return spawn(KEEPER, words, environment, suffixed(place, "log"), detached=True)


def _role(place: Path) -> str:
    """What the keeper of a place, and whatever it starts, carry in the environment."""
    return f"errand {place.absolute()}"


def look(place: Path) -> Errand | None:
    """How the errand at a place stands; None if there never was one.

    Raises:
        RunError: If its record is damaged.
    """
    # Before the record: a keeper writes its last word and then gives up its lock.
    held = is_held(suffixed(place, "lock"))
    if not is_there(suffixed(place, "json")):
        return None
    arguments, started, code = _content(place)
    booting = 0 <= time.time() - started < BOOT
    if held or (code is None and booting):
        state, code = RUNNING, None
    else:
        state = {None: LOST, 0: DONE, SIGNALLED: STOPPED}.get(code, FAILED)
    tail = log_tail(suffixed(place, "log"), within=place.parent)
    return Errand(state, arguments, started, code, tail)


def _content(place: Path) -> tuple[tuple[str, ...], float, int | None]:
    """Arguments, start and code of the record; RunError if it is damaged."""
    record = suffixed(place, "json")
    content = read_json(record)
    try:
        started, code = float(content["started"]), content["code"]
        code = None if code is None else int(code)
        return tuple(map(str, content["arguments"])), started, code
    except (TypeError, KeyError, ValueError):
        raise RunError(f"{record} is damaged; delete it.") from None


def end(place: Path) -> None:
    """Ask the errand at a place to end; its keeper sees to it. Returns at once.

    Raises:
        RunError: If it cannot be asked.
    """
    if not _may_run(place):
        return
    try:
        # Nobody begins meanwhile, who would obey what was meant for an earlier one.
        with FileLock(_turn(place)) as turn:
            if not turn.acquire():
                raise RunError(
                    f"{place.name} is just being started; stop it in a moment."
                )
            if not _may_run(place) or not _ask(place):
                return
    except OSError as error:
        raise RunError(f"{place.name} cannot be stopped: {error}") from None
    found = with_role(_role(place))
    if not any(map(_is_keeper, found)):  # killed: nobody else ends what it began
        for process in found:
            with suppress(psutil.Error):
                process.terminate()


def _ask(place: Path) -> bool:
    """Leave the wish to end for the keeper; whether that was in time.

    A keeper notes the code and then removes the wish: who sees the code may have come
    after that, and removes it too.
    """
    wish = suffixed(place, "stop")
    wish.touch()
    with suppress(RunError):
        if _content(place)[2] is not None:
            wish.unlink(missing_ok=True)
            return False
    return True


def is_at_work(folder: Path) -> bool:
    """Whether an errand is under way at a place in a folder, or in one right below."""
    begun = [*folder.glob(".*.begin"), *folder.glob("*/.*.begin")]
    return any(
        _may_run(turn.with_name(turn.name[1:].removesuffix(".begin"))) for turn in begun
    )


def _turn(place: Path) -> Path:
    return place.with_name(f".{place.name}.begin")


def _may_run(place: Path) -> bool:
    """Whether an errand runs or begins; what has a damaged record may."""
    with suppress(RunError):
        return _is_running(place)
    return is_held(suffixed(place, "lock"))


def _is_keeper(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return KEEPER in process.cmdline()
    return False


def _is_running(place: Path) -> bool:
    found = look(place)
    return found is not None and found.state == RUNNING


def suffixed(place: Path, suffix: str) -> Path:
    """One of the files of a place."""
    return place.with_name(f"{place.name}.{suffix}")


def note(
    place: Path, arguments: Sequence[str], started: float, code: int | None = None
) -> None:
    """Write the record of a place."""
    content: dict[str, Any] = {"arguments": list(arguments), "started": started}
    write_json(suffixed(place, "json"), content | {"code": code})
