"""One row of benchmarks/quality.py: a method trained and judged on a task with a seed.

The methods, all by the loop of benchmarks/peers/training.py: the product's own, each at
the defaults of the catalogue, and `ivon_opt`, IVON from its authors' package `ivon-opt`
(lr 0.1, hess_init 0.1, ess = training examples). Ensembles have five members, trained
from the seeds 5 * seed + 0..4.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch

from benchmarks.peers.ivon import ivon
from benchmarks.peers.training import Predictions, product_method
from benchmarks.tasks import Problem, Task, load_problem
from calibration import evaluate
from trainers.config import TrainingConfig

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
        Its row, ready for JSON; `benchmarks.peers.training.Cost` says what costs are.
    """
    task = trial.task
    problem = load_problem(task)
    training = task.config("adamw", trial.seed).training
    predictions = METHODS[trial.method](problem, training)
    cost = predictions.cost
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
        "seconds": cost.train_seconds + cost.predict_seconds,
        **asdict(cost),
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
    """Run trials in processes of one thread, a fresh one for each trial.

    Args:
        trials: What to run.
        num_jobs: Number of processes at a time; 0 for this one, whose threads are left
            as they are and whose memory tells of earlier trials.

    Yields:
        Their rows, in order.
    """
    if not num_jobs:
        yield from map(run_trial, trials)
        return
    context = get_context("spawn")  # a fork of a process that used torch can hang
    with ProcessPoolExecutor(num_jobs, context, warm_up, max_tasks_per_child=1) as pool:
        yield from pool.map(run_trial, trials)


def warm_up() -> None:
    """Load what every trial needs, so that none has it in its cost."""
    torch.set_num_threads(1)
    moons = Task(dataset="moons", model="mlp", epochs=1, num_samples=2)
    for method in ("vogn", "ensemble"):
        run_trial(Trial(moons, method, seed=0))
