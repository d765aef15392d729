"""What is left of ten tasks that are learned one after another.

Protocol continual: the images of Fashion-MNIST with their pixels permuted, in another
order in each of ten tasks; an MLP of two hidden layers of 100 with one head; VOGN,
whose posterior is the prior of the next task, against EWC, plain AdamW, and joint
training on all tasks so far. All see the same images, initial weights and batches. The
settings are those of `trainers.continual.settings`, found on held-out training images
of other seeds; accuracies are on the 10,000 test images, at the posterior mean.

Average accuracy and forgetting are those after the last task, seconds those of all
tasks together, tests included, and depend on what else the machine does. With several
seeds each line is one of them. --quick takes a part of the images and few epochs: ten
tasks of all methods in minutes.

    python benchmarks/continual.py [--quick] [--only METHOD...] [--seeds S...]
                                   [--tasks N] [--dataset NAME] [--json PATH]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from trainers.continual.findings import JOINT
from trainers.continual.record import (
    Record,
    forgetting,
    just_learned,
    new_continual_run,
    read_record,
)
from trainers.continual.settings import DEFAULTS, METHODS, QUICK, ContinualSettings
from trainers.session import train_run
from trainers.status import FINISHED

COLUMNS = (
    "average_accuracy", "share_of_joint", "just_learned", "forgetting", "seconds",
)  # fmt: skip
Row = dict[str, Any]


def measured(settings: ContinualSettings) -> list[Row]:
    """Learn all tasks, and give a row a method."""
    with tempfile.TemporaryDirectory() as folder:
        run = new_continual_run(settings, "benchmark", Path(folder) / "run")
        status = train_run(run, show_bar=sys.stderr.isatty())
        if status.state != FINISHED:
            raise SystemExit(f"{status.state}: {status.message}")
        return rows_of(read_record(run))


def rows_of(record: Record) -> list[Row]:
    """The rows of a complete record, `share_of_joint` None without joint training."""
    settings, joint = record.settings, record.courses.get(JOINT)
    rows = []
    for method, course in record.courses.items():
        average = course.averages[-1]
        values = (
            average,
            average / joint.averages[-1] if joint else None,
            just_learned(course.accuracy),
            forgetting(course.accuracy),
            sum(course.seconds),
        )
        rows.append({
            "dataset": settings.dataset, "method": method, "seed": settings.seed,
            "tasks": settings.tasks, **dict(zip(COLUMNS, values, strict=True)),
        })  # fmt: skip
    return rows


def line(name: str, cells: Sequence[str]) -> str:
    """A line of the table."""
    return " ".join([f"{name:>8}", *(f"{each:>16}" for each in cells)])


def cell(column: str, value: float | None) -> str:
    """A number as it is printed."""
    if value is None:
        return "-"
    return f"{value:.0f}" if column == "seconds" else f"{value:.4f}"


def heading(settings: ContinualSettings) -> str:
    """What was learned, and the names of the columns."""
    images = f"{settings.num_train:,}" if settings.num_train else "all"
    facts = (
        f"{settings.tasks} tasks",
        f"{images} training images",
        f"{settings.epochs} epochs a task",
        f"seed {settings.seed}",
    )
    return f"\n{settings.dataset}, {', '.join(facts)}\n{line('method', COLUMNS)}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a part of the images, few epochs"
    )
    parser.add_argument(
        "--only", nargs="+", choices=METHODS, metavar="METHOD", help=", ".join(METHODS)
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tasks", type=int, default=DEFAULTS.tasks)
    parser.add_argument("--dataset", default=DEFAULTS.dataset)
    parser.add_argument("--json", type=Path, metavar="PATH")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = parse(arguments)
    torch.set_num_threads(1)
    print(machine())
    base = replace(
        QUICK if options.quick else DEFAULTS,
        dataset=options.dataset,
        tasks=options.tasks,
        methods=tuple(options.only or METHODS),
    )
    rows: list[Row] = []
    for seed in dict.fromkeys(options.seeds):
        settings = replace(base, seed=seed)
        found = measured(settings)
        print(heading(settings))
        for row in found:
            print(line(row["method"], [cell(c, row[c]) for c in COLUMNS]), flush=True)
        rows += found
        if options.json:  # as far as it goes
            options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
