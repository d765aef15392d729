"""One row of benchmarks/quality.py: a method trained and judged on a task with a seed.

The methods, all by the loop of benchmarks/peers/training.py: the product's own, each at
the defaults of the catalogue, and `ivon_opt`, IVON from its authors' package `ivon-opt`
(lr 0.1, hess_init 0.1, ess = training examples). Ensembles have five members, trained
from the seeds 5 * seed + 0..4.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.peers.ivon import ivon
from benchmarks.peers.training import Predictions, product_method
from benchmarks.tasks import Problem, Task, load_problem
from calibration import evaluate
from trainers.config import TrainingConfig
from trainers.memory import peak_memory

# The Bayesian family, and what it is measured by.
OURS = (
    "vogn", "multi_vogn", "ivon", "vadam", "noisy_kfac", "laplace", "swag", "sgld",
    "sghmc", "mc_dropout", "snapshot", "ensemble", "ogn", "adamw", "sgd",
)  # fmt: skip
PACKAGE = "ivon_opt"

METHODS: dict[str, Callable[[Problem, TrainingConfig], Predictions]] = {
    **{name: partial(product_method, name=name) for name in OURS},
    PACKAGE: ivon,
}


@dataclass(frozen=True)
class Trial:
    """What is to be trained.

    Args:
        task: On what, and for how long.
        method: Name in `METHODS`.
        seed: Decides initial weights, batch order and noise.
    """

    task: Task
    method: str
    seed: int


def run_trial(trial: Trial) -> dict[str, Any]:
    """Train and judge one method with one seed.

    Args:
        trial: Which.

    Returns:
        Its row, ready for JSON. Seconds are those of training and prediction; memory is
        the largest that both took above what the process had before, on the CPU; and
        parameters are the numbers that are kept to predict with.
    """
    task = trial.task
    problem = load_problem(task)
    training = task.config("adamw", trial.seed).training
    start, before = time.perf_counter(), psutil.Process().memory_info().rss
    with peak_memory(torch.device("cpu")) as peak:
        predictions = METHODS[trial.method](problem, training)
    seconds = time.perf_counter() - start
    common = {
        "batch_size": training.batch_size,
        "schedule": training.schedule,
        "test_samples": task.num_samples,
        "ood": problem.ood,
    }
    return {
        "dataset": task.dataset,
        "model": task.model,
        "method": trial.method,
        "seed": trial.seed,
        **scores(trial, problem, predictions),
        "seconds": seconds,
        "train_seconds": predictions.train_seconds,
        "predict_seconds": seconds - predictions.train_seconds,
        "parameters": predictions.parameters,
        "memory_mib": (peak[0] - before) / 2**20,
        "epochs": task.epochs,
        "num_train": len(problem.train),
        "settings": {**predictions.settings, **common},
    }


def scores(trial: Trial, problem: Problem, predictions: Predictions) -> dict[str, Any]:
    """How good predictions are; the scores of a missing OOD set are None.

    Raises:
        RuntimeError: The training diverged.
    """
    test, *others = predictions.probabilities
    if not all(np.isfinite(each).all() for each in (test, *others)):
        raise RuntimeError(f"The training diverged: no finite predictions of {trial}.")
    out = {str(problem.ood): each for each in others}  # one at most
    content = evaluate(test, problem.data.test.labels, ood=out)
    ood: dict[str, Any] = content["ood"].get(problem.ood, {})
    return {
        **{name: content["metrics"][name] for name in ("accuracy", "nll", "ece")},
        "ood_auroc": ood.get("auroc"),
        "ood_fpr95": ood.get("fpr95"),
    }


def run_trials(trials: Sequence[Trial], num_jobs: int) -> Iterator[dict[str, Any]]:
    """Run trials in one or more processes, each of one thread.

    Args:
        trials: What to run.
        num_jobs: Number of processes; with 1 it is this one, whose threads are left
            as they are.

    Yields:
        Their rows, in order.
    """
    if num_jobs == 1:
        yield from map(run_trial, trials)
        return
    context = get_context("spawn")  # a fork of a process that used torch can hang
    with ProcessPoolExecutor(num_jobs, context, torch.set_num_threads, (1,)) as pool:
        yield from pool.map(run_trial, trials)
