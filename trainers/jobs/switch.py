"""The dispatcher of this machine as a process: who it is, and how it is ended."""

import time
from contextlib import suppress

import psutil

from trainers.jobs.home import Home
from trainers.jobs.locks import is_held
from trainers.jobs.processes import DISPATCHER, with_role
from trainers.jobs.start import is_booting
from trainers.runs import RunError

PATIENCE = 20.0  # seconds that a dispatcher has to end
POLL = 0.1  # seconds


def dispatchers_of(home: Home) -> list[psutil.Process]:
    """The dispatchers of a home: one at most, and those that just begin or end."""
    found = []
    for process in with_role(DISPATCHER):
        with suppress(psutil.Error, OSError):  # it ended meanwhile
            if process.environ().get("VOGN_JOBS") == str(home.folder):
                found.append(process)
    return found


def end_dispatcher(home: Home, patience: float = PATIENCE) -> bool:
    """End the dispatcher, and keep all but a person from starting another one.

    Runs at work go on; what is queued waits.

    Args:
        home: Where the engine lives.
        patience: Seconds that it has to end.

    Returns:
        Whether there was one.

    Raises:
        RunError: If it lives on.
    """
    home.prepare()
    home.switched_off.touch()
    deadline, was_there = time.monotonic() + patience, False
    while (
        (found := dispatchers_of(home))
        or is_held(home.dispatcher_lock)
        or is_booting(home)  # started a moment ago, and not to be seen yet
    ):
        was_there = True
        if found:
            home.booting.unlink(missing_ok=True)
        frozen = time.monotonic() > deadline - patience / 2
        for process in found:
            with suppress(psutil.Error):
                process.kill() if frozen else process.terminate()
        if time.monotonic() > deadline:
            number = home.dispatcher_lock.read_text(encoding="utf-8")
            raise RunError(f"The dispatcher (process {number}) does not end.")
        time.sleep(POLL)
    return was_there
