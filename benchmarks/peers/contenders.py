"""The optimizers of benchmarks/large_batch.py, and the few settings tried for each.

All have momentum 0.9 (AdamW and LAMB: betas 0.9 and 0.999) and are searched over four
settings: a first-order method over four learning rates, half a decade apart, a
second-order one over two learning rates and two dampings. Everything else is as its
package has it, weight decay included: none for SGD, K-FAC and SP-NGD, 0.01 for AdamW
and for LAMB, which adapts nothing without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from timm.optim import Lamb
from torch import nn
from torch.optim import SGD, AdamW, Optimizer


@dataclass(frozen=True)
class Setting:
    """What a search chooses.

    Args:
        lr: Learning rate after warm-up.
        damping: Of the curvature; None for methods that have none.
    """

    lr: float
    damping: float | None = None


@dataclass(frozen=True)
class Contender:
    """An optimizer and the settings tried for it.

    Args:
        build: Gives the optimizer of a network.
        settings: Tried in this order; the first is what `--quick` takes.
    """

    build: Callable[[nn.Module, Setting], Optimizer]
    settings: tuple[Setting, ...]


def sgd(model: nn.Module, setting: Setting) -> Optimizer:
    """SGD with momentum."""
    return SGD(model.parameters(), lr=setting.lr, momentum=0.9)


def adamw(model: nn.Module, setting: Setting) -> Optimizer:
    """AdamW with torch's betas and weight decay."""
    return AdamW(model.parameters(), lr=setting.lr)


def lamb(model: nn.Module, setting: Setting) -> Optimizer:
    """LAMB (You et al. 2020) as timm has it."""
    return Lamb(model.parameters(), lr=setting.lr, weight_decay=0.01)


def kfac(model: nn.Module, setting: Setting) -> Optimizer:
    """K-FAC, its curvature renewed at every step, since a large batch makes few."""
    from vogn_app import KFAC

    return KFAC(model, lr=setting.lr, damping=setting.damping, factor_interval=1)


def sp_ngd(model: nn.Module, setting: Setting) -> Optimizer:
    """SP-NGD, which decides itself when its curvature is renewed."""
    from vogn_app import SPNGD

    return SPNGD(model, lr=setting.lr, damping=setting.damping)


def rates(*values: float) -> tuple[Setting, ...]:
    """Settings of a first-order method."""
    return tuple(map(Setting, values))


SECOND_ORDER = tuple(
    Setting(lr, damping) for lr, damping in product((0.1, 0.03), (1e-2, 1e-3))
)
CONTENDERS = {
    "sgd": Contender(sgd, rates(0.1, 0.03, 0.3, 1.0)),
    "adamw": Contender(adamw, rates(3e-3, 1e-3, 1e-2, 3e-2)),
    "lamb": Contender(lamb, rates(1e-2, 3e-3, 3e-2, 1e-1)),
    "kfac": Contender(kfac, SECOND_ORDER),
    "sp_ngd": Contender(sp_ngd, SECOND_ORDER),
}
