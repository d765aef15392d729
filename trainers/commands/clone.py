"""Queue a new run with the settings of another one, but for those that flags change.

The last line on stdout is the new run's folder.
"""

import argparse

from trainers import jobs
from trainers.commands.submit import add_queue_flags, print_folders, queue_runs
from trainers.flags import add_setting_flags, given_settings
from trainers.runs import find_here, load_config
from trainers.sweep import sweep

HELP = "queue a copy of a run, with other settings where flags say so"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `clone`."""
    parser.add_argument("run", metavar="RUN", help="id or path")
    add_queue_flags(parser)
    add_setting_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Queue the copy."""
    original = load_config(find_here(options.run))
    given = given_settings(options)
    configs = sweep(original.to_dict(), given, recipe=options.recipe)
    print_folders(queue_runs(jobs.engine(), configs, list(given), options))
    return 0
