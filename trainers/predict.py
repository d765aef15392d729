"""Class probabilities of a model, under draws of its weights if it has a posterior."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from trainers.abilities import Collecting, has_posterior
from trainers.batches import DeviceSplit

BATCH_SIZE = 250  # examples at a time; more leave the cache


class DivergedError(ArithmeticError):
    """The loss or the predictions are no longer numbers, or have exploded."""


def check_finite(probabilities: NDArray[np.float32], step: int) -> None:
    """Refuse predictions of a network whose weights are of no use any more.

    Args:
        probabilities: Predictions of any shape.
        step: Steps done, for the message.

    Raises:
        DivergedError: If a probability is not finite.
    """
    if not np.isfinite(probabilities).all():
        raise DivergedError(
            f"The training diverged: the network's outputs after step {step} are not "
            "finite."
        )


def _no_tick() -> None:
    """Progress of no interest to anybody."""


@torch.no_grad()
def predict(
    model: nn.Module, splits: Sequence[DeviceSplit], tick: Callable[[], None] = _no_tick
) -> list[NDArray[np.float32]]:
    """Probabilities under the weights as they are.

    Args:
        model: The network; left in the mode it was in.
        splits: Data to predict.
        tick: Called once a batch, for progress and heartbeats.

    Returns:
        Probabilities [N, C], one array a split.
    """
    with evaluating(model):
        return [_predict_split(model, split, tick) for split in splits]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for the block, and then back."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _predict_split(
    model: nn.Module, split: DeviceSplit, tick: Callable[[], None]
) -> NDArray[np.float32]:
    parts = []
    for inputs in split.in_order(BATCH_SIZE):
        parts.append(model(inputs).softmax(-1).float())
        tick()
    return torch.cat(parts).cpu().numpy()


def predict_samples(
    model: nn.Module,
    optimizer: Optimizer,
    splits: Sequence[DeviceSplit],
    num_samples: int,
    tick: Callable[[], None] = _no_tick,
) -> list[NDArray[np.float32]]:
    """Probabilities under draws from the posterior, the same draws for all splits.

    Args:
        model: The network.
        optimizer: Its optimizer; without a posterior the weights are taken as they are.
        splits: Data to predict.
        num_samples: Number of draws wanted; S is what `draws_of` makes of it.
        tick: Called once a batch.

    Returns:
        Probabilities [S, N, C], or [N, C] without a posterior, one array a split.
    """
    draws = list(draws_of(model, optimizer, num_samples))
    if not draws:
        return predict(model, splits, tick)
    return predict_draws(model, draws, splits, tick)


def predict_draws(
    model: nn.Module,
    draws: Sequence[AbstractContextManager[None]],
    splits: Sequence[DeviceSplit],
    tick: Callable[[], None] = _no_tick,
) -> list[NDArray[np.float32]]:
    """Probabilities [S, N, C] under S >= 1 draws of `draws_of`, one array a split."""
    found = []
    for drawn in draws:
        with drawn:
            found.append(predict(model, splits, tick))
    return [np.stack(parts) for parts in zip(*found, strict=True)]


def draws_of(
    model: nn.Module, optimizer: Optimizer, num_samples: int
) -> Iterator[AbstractContextManager[None]]:
    """Blocks that put one draw after the other into a network.

    Args:
        model: The network, which has its own weights back after each block.
        optimizer: Its optimizer; the draws of a run that was just loaded are those that
            it was evaluated with.
        num_samples: Number of draws wanted.

    Yields:
        The blocks: none without a posterior; of several networks each once, and of a
        mixture a multiple of its components, which all count alike.
    """
    if not has_posterior(optimizer):
        return
    if isinstance(optimizer, Collecting):
        posterior = optimizer.posterior()
        for index in range(posterior.num_draws(num_samples)):
            yield posterior.sampled(model, index=index)
        return
    for _ in range(num_samples):
        yield optimizer.sampled_params()
