"""The optimizers of benchmarks/large_batch.py, and the few settings tried for each.

Over four settings each is searched: a first-order method over four learning rates, a
second-order one over two learning rates and two dampings. The rest:

    sgd, adamw, lamb  the product's defaults: momentum 0.9, betas 0.9 and 0.999
    kfac              its curvature renewed every 2,560 examples or at every step,
                      whichever is longer, since large batches make few steps
    sp_ngd            staleness 0.1
    both              momentum 0.5 and kl_clip 0.01: with 0.9 they go on in a direction
                      for longer than their curvature holds
"""

from dataclasses import dataclass
from itertools import product

from torch import nn
from torch.optim import Optimizer

from trainers.config import OptimizerConfig
from trainers.optimizers import build_optimizer
from vogn_app import KFAC, SPNGD

FRESH = 2_560  # examples between two refreshes of K-FAC's curvature


@dataclass(frozen=True)
class Setting:
    """What a search chooses.

    Args:
        lr: Learning rate after warm-up.
        damping: Of the curvature; None for methods that have none.
    """

    lr: float
    damping: float | None = None


def rates(*values: float) -> tuple[Setting, ...]:
    """Settings of a first-order method."""
    return tuple(map(Setting, values))


def rates_and_dampings(
    values: tuple[float, float], dampings: tuple[float, float]
) -> tuple[Setting, ...]:
    """Settings of a second-order method."""
    return tuple(Setting(*pair) for pair in product(values, dampings))


# In the order of trying; the first is what `--quick` takes.
SETTINGS = {
    "sgd": rates(0.1, 0.05, 0.2, 0.025),
    "adamw": rates(1e-2, 3e-3, 1e-3, 3e-2),
    "lamb": rates(1e-2, 3e-3, 3e-2, 1e-1),
    "kfac": rates_and_dampings((0.3, 0.1), (1e-3, 1e-2)),
    "sp_ngd": rates_and_dampings((0.3, 0.1), (1e-3, 1e-2)),
}
SECOND_ORDER = {"momentum": 0.5, "kl_clip": 0.01}


def build_contender(
    method: str, setting: Setting, batch_size: int, model: nn.Module
) -> Optimizer:
    """The optimizer of a network.

    Args:
        method: Name in `SETTINGS`.
        setting: Its learning rate, and damping if it has one.
        batch_size: Examples of a step.
        model: The network.

    Returns:
        The product's optimizer of that name.
    """
    if setting.damping is None:
        config = OptimizerConfig(name=method, hyperparameters={"lr": setting.lr})
        return build_optimizer(config, model, num_data=0, seed=0)
    options = {"lr": setting.lr, "damping": setting.damping, **SECOND_ORDER}
    if method == "sp_ngd":
        return SPNGD(model, **options)
    return KFAC(model, factor_interval=max(1, FRESH // batch_size), **options)
