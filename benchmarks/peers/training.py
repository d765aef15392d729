"""One training loop for all methods of benchmarks/quality.py.

It is made of the product's own pieces, so that every method sees the same initial
weights, batches, order and schedule for a seed, and the product's methods end exactly
where `trainers.session.train_run` ends (tests/benchmarks/test_quality.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.tasks import Problem
from trainers.abilities import Finishing, has_posterior
from trainers.batches import DeviceSplit, epoch_rows, num_steps
from trainers.config import OptimizerConfig, TrainingConfig
from trainers.group import Group
from trainers.lanes import Lanes
from trainers.memory import peak_memory
from trainers.models import build_model, seeded_networks
from trainers.optimizers import Plan, build_optimizer
from trainers.predict import BATCH_SIZE, predict_samples
from trainers.schedules import build_scheduler

Step = Callable[[nn.Module, Any, Tensor, Tensor], object]


@dataclass(frozen=True)
class Cost:
    """What a method took.

    Args:
        train_seconds: Seconds of the training.
        predict_seconds: Seconds of all predictions.
        memory_mib: Largest memory of both above what the process had before, in MiB;
            true in a process that did nothing else before.
        parameters: Numbers that are kept to predict with.
    """

    train_seconds: float = 0.0
    predict_seconds: float = 0.0
    memory_mib: float = 0.0
    parameters: int = 0


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a trained method says.

    Args:
        probabilities: [N, C] or [S, N, C], an array for each of `Problem.judged`.
        settings: The method's own, by name.
        cost: What it took.
    """

    probabilities: list[NDArray[Any]]
    settings: dict[str, Any]
    cost: Cost = Cost()


def measured(
    train: Callable[[], object],
    predict: Callable[[], list[NDArray[Any]]],
    kept: Callable[[], int],
) -> tuple[list[NDArray[Any]], Cost]:
    """Train and predict, and tell what both took.

    Args:
        train: Trains to the end.
        predict: Gives what `Predictions.probabilities` holds.
        kept: Counts the numbers to predict with, unmeasured.
    """
    before = psutil.Process().memory_info().rss
    with peak_memory(torch.device("cpu")) as peak:
        start = time.perf_counter()
        train()
        trained = time.perf_counter()
        probabilities = predict()
        end = time.perf_counter()
    memory = (peak[0] - before) / 2**20
    return probabilities, Cost(trained - start, end - trained, memory, kept())


def fresh_model(problem: Problem, seed: int) -> nn.Module:
    """The network of a problem with the initial weights of a seed."""
    torch.manual_seed(seed)
    data = problem.data
    model = build_model(problem.task.model, data.input_shape, data.num_classes)
    return model.to(problem.train.labels.device)


def optimizer_of(
    config: OptimizerConfig,
    model: nn.Module,
    problem: Problem,
    training: TrainingConfig,
) -> Optimizer:
    """One of the product's optimizers, as a run has it."""
    shapes = (problem.data.input_shape, problem.data.num_classes)
    device = problem.train.labels.device
    plan = Plan(
        num_data=len(problem.train),
        seed=training.seed,
        num_steps=num_steps(len(problem.train), training),
        network=seeded_networks(problem.task.model, *shapes, device),
    )
    return build_optimizer(config, model, plan)


def fit_product(
    model: nn.Module, optimizer: Optimizer, train: DeviceSplit, training: TrainingConfig
) -> None:
    """Train one of the product's methods to the end, as its trainer does."""
    total = num_steps(len(train), training)
    scheduler = build_scheduler(training, optimizer, total)
    lanes, step = Lanes(training, model, optimizer, train, Group()), 0
    lanes.train()
    for epoch in range(training.epochs):
        for batches in lanes.epoch(epoch):
            lanes.passes(batches, step)
            optimizer.step()
            scheduler.step()
            step += 1
    if isinstance(optimizer, Finishing):
        optimizer.finish(lambda: train.labelled(BATCH_SIZE))


def fit(
    model: nn.Module,
    optimizer: Optimizer,
    train: DeviceSplit,
    training: TrainingConfig,
    step: Step,
) -> None:
    """Train a network to the end, by steps of another library.

    Args:
        model: The network.
        optimizer: Its optimizer.
        train: The training split.
        training: Length, batch size, schedule and seed of the order.
        step: Makes one step.
    """
    total = num_steps(len(train), training)
    scheduler = build_scheduler(training, optimizer, total)
    model.train()
    for epoch in range(training.epochs):
        for rows in epoch_rows(
            len(train), training.batch_size, training.seed, epoch, train.labels.device
        ):
            step(model, optimizer, *train.take(rows))
            scheduler.step()


def product_method(
    problem: Problem, training: TrainingConfig, name: str
) -> Predictions:
    """Train and predict with one of the product's optimizers at its defaults."""
    config = OptimizerConfig(name=name)
    model = fresh_model(problem, training.seed)
    optimizer = optimizer_of(config, model, problem, training)
    probabilities, cost = measured(
        partial(fit_product, model, optimizer, problem.train, training),
        partial(
            predict_samples, model, optimizer, problem.judged, problem.task.num_samples
        ),
        partial(num_kept, model, optimizer),
    )
    return Predictions(list(probabilities), dict(config.hyperparameters), cost)


def num_kept(model: nn.Module, optimizer: Optimizer) -> int:
    """Numbers that are kept to predict with: of the posterior, or the weights."""
    if not has_posterior(optimizer):
        return sum(each.numel() for each in model.state_dict().values())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "posterior.safetensors"
        optimizer.posterior().save(path)
        return sum(each.numel() for each in load_file(path).values())
