"""Queue stopped, failed or lost runs again; they go on from their last checkpoint.

The last lines on stdout are the run folders.
"""

import argparse

from trainers import jobs
from trainers.commands.choosing import chosen_runs
from trainers.commands.submit import print_folders, print_standing
from trainers.commands.tables import what
from trainers.runs import find_here, load_config
from trainers.status import RESUMABLE, check_resumable

HELP = "queue stopped, failed or lost runs again"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `resume`."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="id or path")
    parser.add_argument(
        "--group", metavar="NAME", help="all runs of a group that did not finish"
    )


def run(options: argparse.Namespace) -> int:
    """Resume what was named; if a named run cannot be resumed, none is queued."""
    engine = jobs.engine()
    chosen = chosen_runs(engine, options.runs, options.group)
    for each in map(find_here, options.runs):
        check_resumable(each, chosen[each].status.state)
    runs = [each for each, state in chosen.items() if state.status.state in RESUMABLE]
    told = {each: what(load_config(each)) for each in runs}
    for each in runs:
        engine.resume(each)
    if not runs:
        print(f"All runs of group {options.group} are alive or have finished.")
        return 0
    print_standing(engine, runs, told)
    print_folders(runs)
    return 0
