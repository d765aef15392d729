"""Ask runs to stop at their next step, and take waiting ones from the queue.

A run that was at work keeps a checkpoint and can be resumed.
"""

import argparse
from collections.abc import Iterable

from trainers import jobs
from trainers.commands.choosing import alive, chosen_runs
from trainers.commands.following import INTERRUPTED, follow
from trainers.commands.tables import table
from trainers.jobs.launcher import JobState
from trainers.runs import Run

HELP = "stop runs, or take them from the queue"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `stop`."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="id or path")
    parser.add_argument("--group", metavar="NAME", help="all runs of a group")
    parser.add_argument("--all", action="store_true", help="all that are alive")
    parser.add_argument("--wait", action="store_true", help="until they have ended")


def run(options: argparse.Namespace) -> int:
    """Stop what was named; what has ended already is left as it is."""
    engine = jobs.engine()
    chosen = chosen_runs(engine, options.runs, options.group, options.all)
    stopped = [each for each, state in _last_first(chosen) if alive(state)]
    for each in stopped:
        engine.stop(each)
    states = engine.states(chosen)
    rows = []
    for each in chosen:
        state = states[each].status.state if each in states else "gone"
        rows.append((state, each.id, "" if each in stopped else "had ended before"))
    print(table(("state", "run", ""), rows) if rows else "Nothing is alive.")
    if options.wait and stopped:
        try:
            follow(engine, stopped)
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0


def _last_first(chosen: dict[Run, JobState]) -> Iterable[tuple[Run, JobState]]:
    """What waits goes first, the last one of all: none shall start meanwhile."""
    return sorted(chosen.items(), key=lambda row: -(row[1].position or 0))
