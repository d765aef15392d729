"""How good the predictions are: accuracy, NLL, ECE and OOD scores by method and seed.

Protocol fashion-lenet (design.md, section 7): LeNet-5 on Fashion-MNIST, batch 128,
cosine to zero by step, 20 epochs, all 60,000 training images; OOD against digits. Other
tasks are in benchmarks/tasks.py, the methods in benchmarks/trials.py. For a seed, all
methods see the same data, initial weights, batches and schedule; those that draw
predict with 32 samples (8 with --quick), or with as many networks as they have. IVON of
its authors, `ivon_opt`, is optional: `pip install -e '.[bench]'`.

Figures are medians over seeds with the smallest and the largest, and below them means.
Seconds are those of training and of prediction on one thread, of all members together
for ensembles; memory is what both take above what the process has before, in MiB; kept
are the numbers that predict. All of fashion-lenet takes hours on one core.

    python benchmarks/quality.py [--quick] [--task NAME...] [--only METHOD...]
                                 [--epochs N] [--seeds S...] [--jobs N | --here]
                                 [--json PATH]
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.peers.ivon import INSTALL, is_installed
from benchmarks.tasks import (
    ALL_TASKS,
    DEFAULT_TASK,
    TASKS,
    chosen_tasks,
    load_problem,
    quick,
)
from benchmarks.trials import METHODS, PACKAGE, Trial, run_trials

QUALITY = ("accuracy", "nll", "ece", "ood_auroc", "ood_fpr95")
COSTS = {
    "train_seconds": "{:.0f}",
    "predict_seconds": "{:.0f}",
    "parameters": "{:,.0f}",
    "memory_mib": "{:.0f}",
}
COLUMNS = (*QUALITY, *COSTS)
NAME_WIDTH = max(map(len, METHODS))
Row = dict[str, Any]
Format = Callable[[float], str]


def table(method: str, rows: Sequence[Row]) -> str:
    """Median and spread of one method over its seeds, and below them the means."""
    lines = [line(method, [cell(column, rows, spread) for column in COLUMNS])]
    if len(rows) > 1:
        lines.append(line("mean", [cell(column, rows, mean) for column in COLUMNS]))
    return "\n".join(lines)


def line(name: str, cells: Sequence[str]) -> str:
    """A line of the table."""
    return " ".join([f"{name:>{NAME_WIDTH}}", *(f"{each:>22}" for each in cells)])


def cell(
    column: str, rows: Sequence[Row], summary: Callable[[list[float], Format], str]
) -> str:
    """A column of some rows in a word; "-" where there is none."""
    values = [row[column] for row in rows]
    form = COSTS.get(column, "{:.4f}")
    return "-" if None in values else summary(values, form.format)


def spread(values: list[float], form: Format) -> str:
    """Median, and the smallest and largest of several."""
    middle = form(statistics.median(values))
    several = f" ({form(min(values))}-{form(max(values))})"
    return middle + several if len(values) > 1 else middle


def mean(values: list[float], form: Format) -> str:
    """The mean."""
    return form(statistics.fmean(values))


def heading(trials: Sequence[Trial]) -> str:
    """What the trials of a method on a task are, and the names of the columns."""
    task = trials[0].task
    problem = load_problem(task)
    facts = (
        f"{len(problem.train)} training examples",
        f"{task.epochs} epochs",
        f"seeds {[trial.seed for trial in trials]}",
        f"OOD {problem.ood or 'none'}",
    )
    title = f"\n{task.model} on {task.dataset}, {', '.join(facts)}"
    return f"{title}\n{line('method', COLUMNS)}"


def positive(text: str) -> int:
    """A whole number from 1, for the command line."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}.")
    return number


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = [*TASKS, ALL_TASKS]
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one epoch, over part of a large set, 8 samples, seed 0",
    )
    parser.add_argument(
        "--task", nargs="+", choices=tasks, default=[DEFAULT_TASK], metavar="NAME",
        help=", ".join(tasks),
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", choices=METHODS, metavar="METHOD", help=", ".join(METHODS)
    )
    parser.add_argument("--epochs", type=positive, help="default: the task's own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--jobs", type=positive, default=1, help="processes at a time, one a trial"
    )
    parser.add_argument(
        "--here", action="store_true",
        help="in this process: for a glance, memory then means nothing",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="PATH")
    options = parser.parse_args(arguments)
    if PACKAGE in (options.only or ()) and not is_installed():
        parser.error(f"--only must name what is installed, got {PACKAGE!r}: {INSTALL}")
    return options


def methods_of(options: argparse.Namespace) -> list[str]:
    """Methods to run, in the table's order, but for the package where it is missing."""
    if options.only:
        return [method for method in METHODS if method in options.only]
    if is_installed():
        return list(METHODS)
    print(f"{PACKAGE} is not installed and left out: {INSTALL}")
    return [method for method in METHODS if method != PACKAGE]


def trials_of(name: str, method: str, options: argparse.Namespace) -> list[Trial]:
    """The trials of a method on a task."""
    task = TASKS[name]
    if options.quick:
        return [Trial(quick(task), method, seed=0)]
    task = replace(task, epochs=options.epochs or task.epochs)
    return [Trial(task, method, seed) for seed in dict.fromkeys(options.seeds)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    options = parse(arguments)
    torch.set_num_threads(1)
    print(machine())
    if options.jobs > 1:
        print(f"{options.jobs} processes: seconds are of a machine shared by them")
    methods = methods_of(options)
    plan = {
        name: {method: trials_of(name, method, options) for method in methods}
        for name in chosen_tasks(options.task)
    }
    trials = [each for own in plan.values() for part in own.values() for each in part]
    num_jobs = 0 if options.here else options.jobs
    results, rows = run_trials(trials, num_jobs), list[Row]()
    for own in plan.values():
        print(heading(own[methods[0]]), flush=True)
        for method, part in own.items():
            found = list(islice(results, len(part)))
            print(table(method, found), flush=True)
            rows += found
            if options.json:  # as far as it goes: all of it takes hours
                options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
