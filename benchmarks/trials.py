"""One row of benchmarks/quality.py: a method trained and judged on a task with a seed.

The methods, all by the loop of benchmarks/peers/training.py:

    vogn, adamw, sgd  the product's own, each at its defaults
    ivon              package ivon-opt: lr 0.1, hess_init 0.1, ess = training examples
    mc_dropout        AdamW, lr 1e-3; dropout 0.3 on the hidden dense layers
    ensemble          five members trained by AdamW with seeds 5 * seed + 0..4
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from benchmarks.peers.dropout import mc_dropout
from benchmarks.peers.ensemble import ensemble
from benchmarks.peers.ivon import ivon
from benchmarks.peers.training import Predictions, product_method
from benchmarks.tasks import Problem, Task, load_problem
from calibration import evaluate
from trainers.config import TrainingConfig

METHODS: dict[str, Callable[[Problem, TrainingConfig], Predictions]] = {
    "vogn": partial(product_method, name="vogn"),
    "ivon": ivon,
    "adamw": partial(product_method, name="adamw"),
    "sgd": partial(product_method, name="sgd"),
    "mc_dropout": mc_dropout,
    "ensemble": ensemble,
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
        Its row, ready for JSON. Seconds are those of training and prediction.
    """
    task = trial.task
    problem = load_problem(task)
    training = task.config("adamw", trial.seed).training
    start = time.perf_counter()
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
