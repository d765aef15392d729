"""The optimizers of benchmarks/large_batch.py, and the few settings tried for each.

They are the product's own, with the product's defaults but for what is searched, over
four settings each: a first-order method over four learning rates, a second-order one
over two learning rates and two dampings. And K-FAC renews its curvature every 2,560
examples or at every step, whichever is longer: a run with large batches has few steps.
"""

from dataclasses import dataclass
from itertools import product

from torch import nn
from torch.optim import Optimizer

from trainers.config import OptimizerConfig
from trainers.optimizers import build_optimizer

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
    "kfac": rates_and_dampings((0.1, 0.03), (1e-2, 1e-3)),
    "sp_ngd": rates_and_dampings((0.1, 0.03), (1e-2, 1e-3)),
}


def build_contender(
    method: str, setting: Setting, batch_size: int, model: nn.Module, seed: int
) -> Optimizer:
    """The optimizer of a network.

    Args:
        method: Name in `SETTINGS`.
        setting: Its learning rate, and damping if it has one.
        batch_size: Examples of a step.
        model: The network.
        seed: Of what it draws, if anything.

    Returns:
        The product's optimizer of that name.
    """
    values: dict[str, float] = {"lr": setting.lr}
    if setting.damping is not None:
        values["damping"] = setting.damping
    if method == "kfac":
        values["factor_interval"] = max(1, FRESH // batch_size)
    config = OptimizerConfig(name=method, hyperparameters=values)
    return build_optimizer(config, model, num_data=0, seed=seed)
