"""What a network computes at its weights: probabilities, logits and features.

Features are what the last linear layer takes. They tell of an input how near it is to
the training data in the network's own terms; see `calibration.ood`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.batches import DeviceSplit
from trainers.predict import BATCH_SIZE, evaluating

# Wider features would make files of gigabytes, and covariances that take minutes.
MAX_FEATURES = 2048

NO_FEATURES = (
    "There are no features: the network does not end in one linear layer of at most "
    f"{MAX_FEATURES} inputs."
)


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a network makes of N inputs.

    Args:
        probabilities: Of C classes, ``[N, C]``.
        logits: Before the softmax, ``[N, C]``.
        features: Inputs of the last linear layer, ``[N, D]``, averaged over places
            where it is applied to several; None where the network has no such layer
            or D exceeds `MAX_FEATURES`.
    """

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    features: NDArray[np.float32] | None


@torch.no_grad()
def outputs(
    model: nn.Module, splits: Sequence[DeviceSplit], tick: Callable[[], None]
) -> list[Outputs]:
    """Run a network under the weights as they are.

    Args:
        model: The network; left in the mode it was in, and without hooks.
        splits: Data to run it on, none of them empty.
        tick: Called once a batch.

    Returns:
        Its outputs, one record a split.
    """
    with evaluating(model), _tapped(model) as features:
        return [_of_split(model, split, features, tick) for split in splits]


@contextmanager
def _tapped(model: nn.Module) -> Iterator[Callable[[Tensor], Tensor | None]]:
    """Keep what the last linear layer is given within the block.

    Args:
        model: The network.

    Yields:
        Gives the features behind the logits that the network just made, if any.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    given: list[Tensor] = []

    def features(logits: Tensor) -> Tensor | None:
        inputs = given.copy()
        given.clear()
        # A layer that is used twice, or not for the logits, is no classifier.
        if len(inputs) != 1 or layers[-1].out_features != logits.shape[-1]:
            return None
        return _flat(inputs[0], len(logits))

    def keep(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        given.extend(inputs[:1])

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers[-1:]]
    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()


def _flat(inputs: Tensor, count: int) -> Tensor | None:
    if len(inputs) != count or inputs.shape[-1] > MAX_FEATURES:
        return None
    places = tuple(range(1, inputs.ndim - 1))
    return (inputs.mean(places) if places else inputs).float()


def _of_split(
    model: nn.Module,
    split: DeviceSplit,
    features: Callable[[Tensor], Tensor | None],
    tick: Callable[[], None],
) -> Outputs:
    each: list[tuple[Tensor, Tensor, Tensor | None]] = []
    for inputs in split.in_order(BATCH_SIZE):
        logits = model(inputs)
        each.append((logits.softmax(-1).float(), logits.float(), features(logits)))
        tick()
    probabilities, logits, found = zip(*each, strict=True)
    kept = [part for part in found if part is not None]
    return Outputs(
        _array(probabilities),
        _array(logits),
        _array(kept) if len(kept) == len(found) else None,
    )


def _array(parts: Sequence[Tensor]) -> NDArray[np.float32]:
    array: NDArray[np.float32] = torch.cat(list(parts)).cpu().numpy()
    return array
