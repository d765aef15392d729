"""Runs as jobs: queue, devices, stop, resume, recovery. Imports neither torch nor UI.

A client (page or command) writes a job into the store; the machine's one dispatcher
leases it a device and starts its supervisor; the supervisor starts the trainer, or
torchrun above several, and stays until all of its processes are gone. Any of them may
be killed: another client or supervisor starts a new dispatcher, and the dispatcher a
new supervisor, while the training goes on.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.jobs.home import Home
    from trainers.jobs.local import Engine

__all__ = ["engine", "keep_dispatcher"]


def engine() -> "Engine":
    """The engine of this machine, one for each home that the environment names."""
    # Imported on use: a supervisor comes through this file and has no use for a store.
    from trainers.jobs.home import Home

    return _engine(Home.here())


@lru_cache(maxsize=16)
def _engine(home: "Home") -> "Engine":
    from trainers.jobs.local import Engine

    return Engine(home)


def keep_dispatcher() -> None:
    """Look after the dispatcher for as long as this process lives, in a thread."""
    from trainers.jobs.home import Home
    from trainers.jobs.start import keep_dispatcher

    keep_dispatcher(Home.here())
