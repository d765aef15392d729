"""BatchNorm's running statistics for the weights that a model has now.

Running means and variances belong to the weights that they were gathered with. Weights
that no step has gone through, such as an average or a draw, need others, or the
network computes something else in eval mode. They are found by running the data through
the network, in the way that Izmailov et al. (2018), arXiv:1803.05407, section 3.2, do.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..posterior.matching import evaluating, unwrap


@torch.no_grad()
def renew_running_statistics(model: nn.Module, batches: Iterable[Any]) -> None:
    """Put the statistics of the data under the present weights into BatchNorm layers.

    Each running mean and variance becomes the average over the batches of what the
    layer finds in them, weighed by numbers of examples. BatchNorm layers run in train
    mode and all others, such as dropout, in eval mode; afterwards each is in the mode
    it had. A model without running statistics is left alone, and no batch is asked for.

    Args:
        model: The network, wrapped or not; a wrapper itself is not run. No gradients
            are computed.
        batches: Tuples of inputs [N, ...], labels and whatever follows, or inputs
            alone; moved to the model's device. Labels are not used. Batches of a single
            example are left out: there is no variance in one number.

    Raises:
        ValueError: If there is no batch of two examples or more.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        >>> renew_running_statistics(model, [torch.randn(8, 2) for _ in range(4)])
    """
    model = unwrap(model)
    layers = _with_statistics(model)
    if not layers:
        return
    device = next((p.device for p in model.parameters()), None)
    seen = 0
    with _gathering(model, layers):
        for inputs in _inputs_of(batches):
            seen += len(inputs)
            for layer in layers:  # the weight of the new batch in a plain average
                layer.momentum = len(inputs) / seen
            model(inputs.to(device))
        if not seen:
            raise ValueError(
                "batches must hold one of at least 2 examples, which running "
                "statistics are of, got none."
            )


def _with_statistics(model: nn.Module) -> list[_BatchNorm]:
    return [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]


def _inputs_of(batches: Iterable[Any]) -> Iterator[Tensor]:
    for batch in batches:
        inputs = batch[0] if isinstance(batch, Sequence) else batch
        if len(inputs) > 1:
            yield inputs


@contextmanager
def _gathering(model: nn.Module, layers: list[_BatchNorm]) -> Iterator[None]:
    """BatchNorm in train mode and the rest in eval mode, for the block.

    Layers count the batches from 0. After an exception their statistics are what they
    were.
    """
    momenta = [layer.momentum for layer in layers]
    before = [
        [(buffer, buffer.clone()) for buffer in layer.buffers(recurse=False)]
        for layer in layers
    ]
    try:
        with evaluating(model):
            for layer in layers:
                layer.train()
                layer.reset_running_stats()
            yield
    except BaseException:
        for buffer, value in (pair for pairs in before for pair in pairs):
            buffer.copy_(value)
        raise
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
