"""What settings of a method are worth on validation data: how defaults are chosen.

Trains on a task of benchmarks/quality.py less the examples that are held out, 5,000 of
Fashion-MNIST and the product's own split of small sets, and judges on these alone: no
test example is read. Methods, loop and draws are those of benchmarks/quality.py.

A choice is name=value, several with commas between; values are words, numbers, 4000/N
or N/1200, with N the number of training examples. A choice without any is the defaults.
`+` begins the next one:

    python benchmarks/settings_search.py METHOD [SETTING,SETTING... + ...]
        [--task NAME] [--epochs N] [--seeds S...] [--jobs N] [--json PATH]
    python benchmarks/settings_search.py vogn + lr=2800/N,initial_curvature=4000/N
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.peers.training import fit_product, fresh_model, optimizer_of
from benchmarks.quality import positive
from benchmarks.tasks import DEFAULT_TASK, TASKS, Problem, Task, load_problem
from benchmarks.trials import OURS, warm_up
from calibration import evaluate
from trainers.batches import DeviceSplit
from trainers.config import OptimizerConfig
from trainers.predict import predict_samples

HELD_OUT = 1 / 12  # of a task that trains on all
ANY_SIZE = 1000  # of data, to check settings by before there are any
NEXT = "+"
Row = dict[str, Any]
Values = tuple[tuple[str, str], ...]  # names, and what was written


@dataclass(frozen=True)
class Try:
    """A choice to be tried.

    Args:
        task: On what.
        method: Name of a method of the product.
        values: The settings that differ from its defaults, as written.
        seed: Decides initial weights, batch order and noise.
    """

    task: Task
    method: str
    values: Values
    seed: int


def number(text: str, num_data: int) -> float | str:
    """A value as written, "0.1", "4000/N" or "N/1200", or the word itself."""
    above, over, below = text.partition("/")
    try:
        first, second = (
            float(num_data) if part == "N" else float(part)
            for part in (above, below if over else "1")
        )
        return first / second
    except (ValueError, ZeroDivisionError):
        return text


def choices(words: Sequence[str]) -> list[Values]:
    """The choices of a command line, in its order.

    Raises:
        ValueError: A word is no name=value.
    """
    found: list[list[tuple[str, str]]] = [[]]
    for word in words:
        if word == NEXT:
            found.append([])
            continue
        for setting in word.split(","):
            name, equals, value = setting.partition("=")
            if not (name and equals and value):
                raise ValueError(f"a setting must be name=value, got {setting!r}.")
            found[-1].append((name, value))
    return [tuple(each) for each in found]


def config_of(method: str, values: Values, num_data: int) -> OptimizerConfig:
    """The configuration of a choice.

    Raises:
        ValueError: A setting is none of the method's, or out of its range.
    """
    numbers = {name: number(text, num_data) for name, text in values}
    return OptimizerConfig(name=method, hyperparameters=numbers)


@cache
def held_out(task: Task) -> tuple[Problem, DeviceSplit]:
    """A task to train on, and the examples to judge by."""
    problem = load_problem(task)
    validation = problem.data.validation
    assert validation is not None, "a task of the search holds examples out"
    device = problem.train.labels.device
    return problem, DeviceSplit.of(validation, problem.data.normalisation, device)


def run_try(tried: Try) -> Row:
    """Train with a choice, and judge it."""
    problem, judged = held_out(tried.task)
    num_data = len(problem.train)
    config = config_of(tried.method, tried.values, num_data)
    training = tried.task.config(tried.method, tried.seed).training
    model = fresh_model(problem, tried.seed)
    optimizer = optimizer_of(config, model, problem, training)
    fit_product(model, optimizer, problem.train, training)
    draws = tried.task.num_samples
    (probabilities,) = predict_samples(model, optimizer, [judged], draws)
    found = evaluate(probabilities, judged.labels.cpu().numpy())["metrics"]
    return {
        "task": f"{tried.task.dataset}, {tried.task.model}, {num_data:,}",
        "epochs": tried.task.epochs,
        "seed": tried.seed,
        "method": tried.method,
        **dict(tried.values),
        **{f"validation_{name}": found[name] for name in ("accuracy", "nll", "ece")},
    }


def line(values: Values, rows: Sequence[Row]) -> str:
    """A choice and what it was worth: mean NLL, each seed's, and mean accuracy."""
    nll, accuracy = (
        [row[f"validation_{name}"] for row in rows] for name in ("nll", "accuracy")
    )
    each = " ".join(f"{value:.4f}" for value in nll)
    name = " ".join(f"{key}={text}" for key, text in values) or "defaults"
    return f"{fmean(nll)} ({each}) {fmean(accuracy)}  {name}"


def fmean(values: Sequence[float]) -> str:
    """The mean in a word."""
    return f"{statistics.fmean(values):.4f}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=OURS, metavar="METHOD", help=", ".join(OURS))
    parser.add_argument("settings", nargs="*", metavar="SETTING", help="name=value")
    parser.add_argument("--task", choices=TASKS, default=DEFAULT_TASK)
    parser.add_argument("--epochs", type=positive, help="default: the task's own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=positive, default=1, help="processes at a time")
    parser.add_argument("--json", type=Path, metavar="PATH", help="rows are added")
    options = parser.parse_args(arguments)
    try:
        options.settings = choices(options.settings)
        for values in options.settings:
            config_of(options.method, values, ANY_SIZE)
    except ValueError as error:
        parser.error(str(error))
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Try all choices with all seeds; print a line each."""
    options = parse(arguments)
    task = TASKS[options.task]
    task = replace(
        task,
        epochs=options.epochs or task.epochs,
        validation_fraction=task.validation_fraction or HELD_OUT,
        ood="none",
    )
    tries = [
        Try(task, options.method, values, seed)
        for values, seed in product(options.settings, options.seeds)
    ]
    print(machine())
    context = get_context("spawn")  # a fork of a process that used torch can hang
    with ProcessPoolExecutor(options.jobs, context, warm_up) as pool:
        results = pool.map(run_try, tries)
        for values in options.settings:
            rows = [next(results) for _ in options.seeds]
            print(line(values, rows), flush=True)
            if options.json:
                keep(options.json, rows)


def keep(path: Path, rows: Sequence[Row]) -> None:
    """Add rows to those of a file."""
    before = json.loads(path.read_text()) if path.exists() else []
    path.write_text(json.dumps([*before, *rows], indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
