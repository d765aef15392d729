"""One training loop for all methods of benchmarks/quality.py.

It is made of the product's own pieces, so that every method sees the same initial
weights, batches, order and schedule for a seed, and the product's methods end exactly
where `trainers.session.train_run` ends (tests/benchmarks/test_quality.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.tasks import Problem
from trainers.batches import DeviceSplit, batch_sizes, epoch_rows
from trainers.config import OptimizerConfig, TrainingConfig
from trainers.models import build_model
from trainers.optimizers import build_optimizer
from trainers.predict import predict_samples
from trainers.schedules import build_scheduler
from trainers.steps import train_step

Step = Callable[[nn.Module, Any, Tensor, Tensor], object]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a trained method says.

    Args:
        probabilities: [N, C] or [S, N, C], an array for each of `Problem.judged`.
        settings: The method's own, by name.
    """

    probabilities: list[NDArray[Any]]
    settings: dict[str, Any]


def fresh_model(problem: Problem, seed: int) -> nn.Module:
    """The network of a problem with the initial weights of a seed."""
    torch.manual_seed(seed)
    data = problem.data
    model = build_model(problem.task.model, data.input_shape, data.num_classes)
    return model.to(problem.train.labels.device)


def fit(
    model: nn.Module,
    optimizer: Optimizer,
    train: DeviceSplit,
    training: TrainingConfig,
    step: Step = train_step,
) -> None:
    """Train a network to the end.

    Args:
        model: The network.
        optimizer: Its optimizer.
        train: The training split.
        training: Length, batch size, schedule and seed of the order.
        step: Makes one step.
    """
    sizes = batch_sizes(len(train), training.batch_size)
    scheduler = build_scheduler(training, optimizer, len(sizes) * training.epochs)
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
    optimizer = build_optimizer(config, model, len(problem.train), training.seed)
    fit(model, optimizer, problem.train, training)
    num_samples = problem.task.num_samples
    probabilities = predict_samples(model, optimizer, problem.judged, num_samples)
    return Predictions(list(probabilities), dict(config.hyperparameters))
