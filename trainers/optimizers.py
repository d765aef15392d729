"""Optimizers by name, from the hyper-parameters of a configuration."""

import math
from collections.abc import Callable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from trainers.config import OptimizerConfig, TrainingConfig
from vogn_app import VOGN


def build_optimizer(
    config: OptimizerConfig, model: nn.Module, num_data: int, seed: int
) -> Optimizer:
    """Build the optimizer of a run.

    Args:
        config: Name and all hyper-parameters.
        model: The network.
        num_data: Size of the training split.
        seed: Seed of the weight noise, for optimizers that have some.

    Returns:
        A torch optimizer over all of the network's parameters.
    """
    return _BUILDERS[config.name](config, model, num_data, seed)


def _vogn(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:
    return VOGN(model, num_data=num, seed=seed, **config.hyperparameters)


def _adamw(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:  # noqa: ARG001
    options = dict(config.hyperparameters)
    betas = (options.pop("beta1"), options.pop("beta2"))
    return AdamW(model.parameters(), betas=betas, **options)


def _sgd(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:  # noqa: ARG001
    return SGD(model.parameters(), **config.hyperparameters)


_BUILDERS: dict[str, Callable[[OptimizerConfig, nn.Module, int, int], Optimizer]] = {
    "vogn": _vogn,
    "adamw": _adamw,
    "sgd": _sgd,
}


def build_scheduler(
    config: TrainingConfig, optimizer: Optimizer, total_steps: int
) -> LambdaLR:
    """The learning rate by step: constant, or half a cosine down to zero.

    Args:
        config: Its `schedule` decides.
        optimizer: The optimizer.
        total_steps: Steps of the whole run.

    Returns:
        A scheduler to step after each optimizer step.
    """

    def cosine(step: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * min(1.0, step / total_steps)))

    def constant(step: int) -> float:  # noqa: ARG001
        return 1.0

    shape = cosine if config.schedule == "cosine" else constant
    return LambdaLR(optimizer, shape)
