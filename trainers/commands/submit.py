"""Queue runs and return: one, or all of a sweep.

Every flag of a setting takes several values; `--sweep grid` makes every combination of
them, `--sweep list` the first values together, the second ones together, and so on.
`--study NAME` gives a setting the values of a study, and three seeds. The last lines on
stdout are the run folders.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainers import jobs
from trainers.commands.following import INTERRUPTED, follow
from trainers.commands.study import NAMES, study_runs
from trainers.commands.tables import standing, table, what
from trainers.config import RunConfig
from trainers.flags import add_config_flag, add_setting_flags, configs_from_options
from trainers.jobs.launcher import checked_group, checked_priority
from trainers.runs import Run
from trainers.studies import find_study
from trainers.sweep import GRID, MODES, new_group

if TYPE_CHECKING:
    from trainers.jobs.local import Engine

HELP = "queue a run, or all runs of a sweep"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `submit`."""
    add_config_flag(parser)
    parser.add_argument("--sweep", choices=MODES, default=GRID, help=f"default {GRID}")
    parser.add_argument(
        "--study", metavar="NAME", help=f"{NAMES}: the runs that answer its question"
    )
    add_queue_flags(parser)
    parser.add_argument(
        "--follow",
        action="store_true",
        help="wait for the end; exit code 0 only if all finished",
    )
    add_setting_flags(parser, nargs="+")


def add_queue_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how new runs are queued."""
    parser.add_argument("--run-dir", metavar="PATH", help="the new folder of one run")
    parser.add_argument("--group", metavar="NAME", help="a name that the runs share")
    parser.add_argument(
        "--priority", metavar="N", default="0", help="larger goes first, default 0"
    )


def run(options: argparse.Namespace) -> int:
    """Queue what the flags describe."""
    if options.study is not None:
        study = find_study(options.study)
        configs, axes = study_runs(options, study, options.sweep)
    else:
        configs, axes = configs_from_options(options, options.sweep)
    engine = jobs.engine()
    runs = queue_runs(engine, configs, axes, options)
    code = 0
    if options.follow:
        try:
            code = 0 if follow(engine, runs) else 1
        except KeyboardInterrupt:
            print("The runs go on; see them with: python -m trainers queue")
            code = INTERRUPTED
    print_folders(runs)
    return code


def queue_runs(
    engine: "Engine",
    configs: Sequence[RunConfig],
    axes: Sequence[str],
    options: argparse.Namespace,
) -> list[Run]:
    """Queue configurations as `add_queue_flags` says, and print where each stands.

    Args:
        engine: The engine.
        configs: What to run.
        axes: Names of the settings in which they differ.
        options: What the parser returned.

    Returns:
        The runs.

    Raises:
        ValueError: If a flag does not suit, or a run can never run here.
    """
    paths = [Path(options.run_dir)] if options.run_dir else None
    if paths and len(configs) > 1:
        raise ValueError(f"--run-dir must be for one run, got {len(configs)} runs.")
    group = new_group() if len(configs) > 1 else ""
    if options.group is not None:
        group = checked_group(options.group)
    priority = checked_priority(options.priority)
    runs = engine.submit(configs, paths=paths, group=group, priority=priority)
    if len(runs) > 1:
        print(f"{len(runs)} runs in group {group}")
    print_standing(
        engine, runs, {r: what(c, axes) for r, c in zip(runs, configs, strict=True)}
    )
    return runs


def print_standing(engine: "Engine", runs: Sequence[Run], told: dict[Run, str]) -> None:
    """Print a line a run: how it stands, its id, and what it does."""
    states = engine.states(runs)
    rows = [(standing(states[r]), r.id, told[r]) for r in runs if r in states]
    print(table(("state", "run", "what"), rows))
    if engine.paused:
        print("The queue is paused; go on with: python -m trainers queue --unpause")


def print_folders(runs: Sequence[Run]) -> None:
    """Print the run folders, one a line."""
    for each in runs:
        print(each.path)
