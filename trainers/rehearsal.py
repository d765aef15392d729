"""A training in short, for what its optimizer collects: to measure predictions with.

Methods that put their posterior together as training goes on have none after a few
steps, nor the memory that it takes.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainers.abilities import Finishing
from trainers.catalogue import optimizer_spec
from trainers.config import OptimizerConfig
from trainers.hyperparameters import AUTO
from trainers.optimizers import Plan, build_optimizer
from vogn_app import SnapshotEnsemble

# Settings with which an optimizer collects from the first step on, at each.
AT_ONCE = {"start": 0.0, "exploration": 0.0, "interval": AUTO}


def rehearsed(
    config: OptimizerConfig,
    model: nn.Module,
    plan: Plan,
    step: Callable[[Optimizer], None],
    batches: Callable[[], Iterable[tuple[Tensor, Tensor]]],
) -> Optimizer:
    """An optimizer that has collected what it predicts with.

    Its steps have gradients of zero, but for the last, whose activations are in memory
    beside all that is kept.

    Args:
        config: Name and hyper-parameters.
        model: The network, which begins anew.
        plan: Of the whole training.
        step: Takes a step of the training.
        batches: Training data, of which the first batch is enough: the size of a
            posterior does not depend on them.

    Returns:
        The optimizer, of the network.
    """
    model.load_state_dict(plan.network(plan.seed).state_dict())
    config = _at_once(config, model, plan)
    short = replace(plan, num_steps=min(plan.num_steps, num_kept(config)))
    optimizer = build_optimizer(config, model, short)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    for _ in range(short.num_steps - 1):
        optimizer.step()
    step(optimizer)
    if isinstance(optimizer, Finishing):
        optimizer.finish(lambda: islice(batches(), 1))
    return optimizer


def _at_once(config: OptimizerConfig, model: nn.Module, plan: Plan) -> OptimizerConfig:
    """Settings that collect as much as those of the whole training, step by step."""
    own = dict(config.hyperparameters)
    own |= {name: value for name, value in AT_ONCE.items() if name in own}
    whole = build_optimizer(config, model, plan)
    if isinstance(whole, SnapshotEnsemble):  # "auto" depends on the number of steps
        own["cycles"] = whole.cycles
    return replace(config, hyperparameters=own)


def num_kept(config: OptimizerConfig) -> int:
    """Steps in which an optimizer can collect all that it predicts with.

    Args:
        config: Name and hyper-parameters, which collect at each step.

    Returns:
        The number of sets of weights that it keeps at most; 1 where none are kept.
    """
    spec = optimizer_spec(config.name)
    return int(config.hyperparameters.get(spec.draws or "max_rank", 1))
