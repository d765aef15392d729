"""The methods whose steps are compared, by name.

The peers `backpack`, `opacus` and `vmap_grad` compute what VOGN computes, the gradient
and the mean over examples of its squares, and then all make the same update,
`AdamW.step`, so that a step of theirs is comparable. `ivon` and `vadam` are whole
optimizers, which estimate their curvature without squares: they are here for their
cost, as is `ivon_opt`, IVON from its authors' package. So are the second-order methods,
ours and others' (`benchmarks/peers/second_order.py`). A name with
`every_step` has curvature and inverses renewed at every step, one without at every
tenth, but for SP-NGD, which decides itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from benchmarks.peers.ivon import build_ivon, train_ivon
from benchmarks.peers.second_order import (
    DAMPING,
    LR,
    Step,
    asdl_kfac_step,
    kfac_pytorch_step,
    shampoo_step,
    singd_step,
    soap_step,
)
from benchmarks.peers.squares import (
    Prepare,
    backpack_squares,
    opacus_squares,
    vmap_squares,
    vogn_squares,
)
from trainers.steps import train_step
from vogn_app import IVON, KFAC, SPNGD, VOGN, Vadam

NUM_DATA = 60_000
INTERVAL = 10
WINDOW = 300  # steps over which SP-NGD's cost is averaged
SLOW = {"lr": LR, "damping": DAMPING}


@dataclass(frozen=True)
class Method:
    """A way to make a training step.

    Args:
        prepare: Gives the step for a network.
        squares: Gives the backward pass whose squares are checked; None if the method
            has none.
        cycle: Steps after which costs repeat, or over which they are averaged.
        is_peer: Whether it is somebody else's, and may be missing or fail.
    """

    prepare: Callable[[nn.Module], Step]
    squares: Prepare | None = None
    cycle: int = 1
    is_peer: bool = False


class OwnStep:
    """A step of an optimizer that `train_step` knows.

    Args:
        make: Gives the optimizer of a network.
        model: The network.
    """

    def __init__(
        self, make: Callable[[nn.Module], Optimizer], model: nn.Module
    ) -> None:
        self.model, self.optimizer = model, make(model)

    def __call__(self, inputs: Tensor, labels: Tensor) -> None:
        """Forward, backward and update."""
        train_step(self.model, self.optimizer, inputs, labels)

    def figures(self) -> dict[str, float]:
        """What the optimizer tells of itself, if it does."""
        tell: Callable[[], dict[str, float]] = getattr(self.optimizer, "figures", dict)
        return tell()


def peer_step(squares: Prepare, model: nn.Module) -> Step:
    """A peer's gradient and squares, then AdamW's update."""
    backward, optimizer = squares(model), adamw(model)

    def step(inputs: Tensor, labels: Tensor) -> None:
        held = backward(inputs, labels)
        optimizer.step()
        del held  # an update that used the squares would hold them till here

    return step


def ivon_opt_step(model: nn.Module) -> Step:
    """A step of the original IVON with one sample of the weights."""
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


def ivon(model: nn.Module) -> Optimizer:
    """IVON with its defaults."""
    return IVON(model, num_data=NUM_DATA)


def vadam(model: nn.Module) -> Optimizer:
    """Vadam with its defaults."""
    return Vadam(model, num_data=NUM_DATA)


def kfac(model: nn.Module, **options: Any) -> Optimizer:
    """K-FAC with its curvature renewed at every tenth step."""
    return KFAC(model, **SLOW, **{"factor_interval": INTERVAL, **options})


def sp_ngd(model: nn.Module, **options: Any) -> Optimizer:
    """SP-NGD with its defaults but for some options."""
    return SPNGD(model, **SLOW, **options)


def own(make: Callable[..., Optimizer], cycle: int = 1, **options: Any) -> Method:
    """One of the optimizers that `train_step` knows."""
    return Method(partial(OwnStep, partial(make, **options)), cycle=cycle)


def second_order(make: Callable[[nn.Module, int], Step], interval: int) -> Method:
    """A peer's second-order optimizer."""
    return Method(partial(make, interval=interval), cycle=interval, is_peer=True)


METHODS = {
    "adamw": own(adamw),
    "sgd": own(sgd),
    "vogn": replace(own(vogn), squares=vogn_squares),
    "vogn_interval_10": replace(
        own(vogn, INTERVAL, curvature_interval=INTERVAL), squares=vogn_squares
    ),
    "ivon": own(ivon),
    "vadam": own(vadam),
    "kfac": own(kfac, INTERVAL),
    "kfac_every_step": own(kfac, factor_interval=1),
    "kfac_no_history": own(kfac, INTERVAL, factor_decay=0.0),
    "sp_ngd": own(sp_ngd, WINDOW),
    "sp_ngd_no_history": own(sp_ngd, WINDOW, factor_decay=0.0),
    "ivon_opt": Method(ivon_opt_step, is_peer=True),
    "backpack": Method(
        partial(peer_step, backpack_squares), backpack_squares, is_peer=True
    ),
    "opacus": Method(partial(peer_step, opacus_squares), opacus_squares, is_peer=True),
    "vmap_grad": Method(partial(peer_step, vmap_squares), vmap_squares, is_peer=True),
    "asdl_kfac": second_order(asdl_kfac_step, INTERVAL),
    "asdl_kfac_every_step": second_order(asdl_kfac_step, 1),
    "kfac_pytorch": second_order(kfac_pytorch_step, INTERVAL),
    "kfac_pytorch_every_step": second_order(kfac_pytorch_step, 1),
    "singd": second_order(singd_step, INTERVAL),
    "singd_every_step": second_order(singd_step, 1),
    "shampoo": second_order(shampoo_step, INTERVAL),
    "soap": second_order(soap_step, INTERVAL),
}
