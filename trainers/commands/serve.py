"""Look after the dispatcher in this terminal and print what it says, or end it.

Neither ends a training: runs have supervisors of their own.
"""

import argparse
import signal
import threading
from contextlib import closing

from trainers import jobs
from trainers.commands.choosing import alive, known_runs
from trainers.jobs.home import Home
from trainers.jobs.start import ensure_dispatcher
from trainers.jobs.switch import end_dispatcher
from trainers.lines import Lines
from trainers.status import QUEUED
from trainers.stopping import handling

HELP = "keep the dispatcher alive in this terminal, or end it"
POLL = 0.5  # seconds between two looks
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # somebody wants us to go


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
    interrupted, log = threading.Event(), Lines(home.dispatcher_log, is_log=True)
    with handling(SIGNALS, lambda *_: interrupted.set()), closing(log):
        ensure_dispatcher(home)
        print(f"The dispatcher's log is {home.dispatcher_log}; Ctrl-C leaves it.")
        while not interrupted.wait(POLL):
            _print(log)
            if not ensure_dispatcher(home, by_person=False):
                print("The dispatcher was ended by somebody else.")
                return 0
        _print(log)
    print(
        "The dispatcher and all runs go on; end it with: "
        "python -m trainers serve --stop"
    )
    return 0


def _print(log: Lines) -> None:
    print(b"".join(log.read()).decode(errors="replace"), end="", flush=True)


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
