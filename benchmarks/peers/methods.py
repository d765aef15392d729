"""The methods whose steps are compared, by name.

The peers `backpack`, `opacus` and `vmap_grad` compute what VOGN computes, the gradient
and the mean over examples of its squares, and then all make the same update,
`AdamW.step`, so that a step of theirs is comparable. `ivon` is a whole optimizer, which
estimates its curvature without squares: it is here for its cost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from benchmarks.peers.ivon import build_ivon, train_ivon
from benchmarks.peers.squares import (
    Prepare,
    backpack_squares,
    opacus_squares,
    vmap_squares,
    vogn_squares,
)
from trainers.steps import train_step
from vogn_app import VOGN

NUM_DATA = 60_000
Step = Callable[[Tensor, Tensor], object]  # inputs, labels


@dataclass(frozen=True)
class Method:
    """A way to make a training step.

    Args:
        prepare: Gives the step for a network.
        squares: Gives the backward pass whose squares are checked; None if the method
            has none.
        cycle: Steps after which costs repeat.
        is_peer: Whether it is somebody else's, and may be missing or fail.
    """

    prepare: Callable[[nn.Module], Step]
    squares: Prepare | None = None
    cycle: int = 1
    is_peer: bool = False


def own_step(make: Callable[[nn.Module], Optimizer], model: nn.Module) -> Step:
    """A step of an optimizer that `train_step` knows."""
    return partial(train_step, model, make(model))


def peer_step(squares: Prepare, model: nn.Module) -> Step:
    """A peer's gradient and squares, then AdamW's update."""
    backward, optimizer = squares(model), adamw(model)

    def step(inputs: Tensor, labels: Tensor) -> None:
        held = backward(inputs, labels)
        optimizer.step()
        del held  # an update that used the squares would hold them till here

    return step


def ivon_step(model: nn.Module) -> Step:
    """A step of IVON with one sample of the weights."""
    return partial(train_ivon, model, build_ivon(model, NUM_DATA, lr=0.1))


def adamw(model: nn.Module) -> Optimizer:
    """The unit of cost."""
    return AdamW(model.parameters(), lr=1e-3)


def sgd(model: nn.Module) -> Optimizer:
    """SGD with momentum."""
    return SGD(model.parameters(), lr=0.05, momentum=0.9)


def vogn(model: nn.Module, **options: Any) -> Optimizer:
    """VOGN with its defaults."""
    return VOGN(model, num_data=NUM_DATA, **options)


vogn_interval_10 = partial(vogn, curvature_interval=10)

METHODS = {
    "adamw": Method(partial(own_step, adamw)),
    "sgd": Method(partial(own_step, sgd)),
    "vogn": Method(partial(own_step, vogn), vogn_squares),
    "vogn_interval_10": Method(
        partial(own_step, vogn_interval_10), vogn_squares, cycle=10
    ),
    "ivon": Method(ivon_step, is_peer=True),
    "backpack": Method(
        partial(peer_step, backpack_squares), backpack_squares, is_peer=True
    ),
    "opacus": Method(partial(peer_step, opacus_squares), opacus_squares, is_peer=True),
    "vmap_grad": Method(partial(peer_step, vmap_squares), vmap_squares, is_peer=True),
}
