"""Starting processes that outlive whoever started them, the dispatcher first of all."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from trainers.jobs.home import Home
from trainers.jobs.locks import is_held
from trainers.jobs.processes import DISPATCHER, END_PATIENCE, ROLE, role_of
from trainers.jobs.settings import check_machine, of_machine
from trainers.runs import runs_root

REPOSITORY = Path(__file__).resolve().parents[2]
FROZEN = 60.0  # seconds without a look by a dispatcher, which may be killed any time
BOOT = 2.0  # seconds in which a started dispatcher is not started again
WATCH_INTERVAL = 2.0  # seconds between two looks whether the dispatcher lives


def spawn(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    detached: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start `python -m MODULE`.

    Args:
        module: What to run.
        arguments: Its words.
        environment: Its variables.
        log: File that its output is appended to.
        detached: Whether it gets a session of its own.

    Returns:
        The process.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - an argument list of our own
            [sys.executable, "-m", module, *arguments],
            cwd=REPOSITORY,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=detached,
        )


def ensure_dispatcher(home: Home, by_person: bool = True) -> bool:
    """Start the dispatcher of this machine unless it runs.

    Args:
        home: Where the engine lives.
        by_person: Whether somebody wants it now; a mere watcher does not start one
            that was switched off.

    Returns:
        Whether one runs or is starting.

    Raises:
        ValueError: If somebody wants one with settings under which it cannot work.
    """
    try:
        check_machine(os.environ)
    except ValueError:
        if by_person:
            raise
        return False
    if by_person:
        home.switched_off.unlink(missing_ok=True)
    elif home.switched_off.exists():
        return False
    if is_held(home.dispatcher_lock) and not _end_frozen(home):
        return True
    if is_booting(home):
        return True
    home.booting.touch()
    environment = {
        **of_machine(os.environ),
        **home.environment(),
        ROLE: DISPATCHER,
        "VOGN_RUNS": str(runs_root()),
    }
    log = home.dispatcher_log
    process = spawn("trainers.jobs.dispatcher", [], environment, log, detached=True)
    # Without a wait an ended dispatcher would stay as a zombie of this process.
    threading.Thread(target=process.wait, daemon=True).start()
    return True


def keep_dispatcher(home: Home) -> None:
    """Look after the dispatcher for as long as this process lives, in a thread.

    Raises:
        RunError: If the home cannot be used.
    """
    home.prepare()

    def watch() -> None:
        while home.folder.exists():
            with suppress(OSError):
                ensure_dispatcher(home, by_person=False)
            time.sleep(WATCH_INTERVAL)

    threading.Thread(target=watch, daemon=True, name="keep_dispatcher").start()


def _end_frozen(home: Home) -> bool:
    """Kill a dispatcher that has not moved for long; whether there was one."""
    try:
        still = time.time() - home.dispatcher_lock.stat().st_mtime
        if still < FROZEN:
            return False
        process = psutil.Process(int(home.dispatcher_lock.read_text(encoding="ascii")))
        if role_of(process) != DISPATCHER:
            return False
        process.kill()
        process.wait(END_PATIENCE)
        home.booting.unlink(missing_ok=True)  # the next one need not wait
    except (OSError, ValueError, psutil.Error):
        return False
    return True


def is_booting(home: Home) -> bool:
    """Whether it was started a moment ago, so that it may not hold its lock yet."""
    try:
        return abs(time.time() - home.booting.stat().st_mtime) < BOOT
    except OSError:
        return False
