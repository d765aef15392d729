"""The optimizers of benchmarks/large_batch.py, and the few settings tried for each.

They are the product's own with the product's defaults, but for what is searched, over
four settings each: first-order methods over the learning rate, second-order ones over
damping and `kl_clip`, which bounds their steps whatever the learning rate is. And K-FAC
renews its curvature every 2,560 examples or at every step, whichever is longer, since a
run with large batches has few steps.
"""

from dataclasses import asdict, dataclass
from itertools import product

from torch import nn
from torch.optim import Optimizer

from trainers.config import OptimizerConfig
from trainers.optimizers import Plan, build_optimizer

FRESH = 2_560  # examples between two refreshes of K-FAC's curvature


@dataclass(frozen=True)
class Setting:
    """What a search chooses; None is the product's default.

    Args:
        lr: Learning rate after warm-up.
        damping: Of the curvature.
        kl_clip: Bound of a step.
    """

    lr: float | None = None
    damping: float | None = None
    kl_clip: float | None = None


def rates(*values: float) -> tuple[Setting, ...]:
    """Settings of a first-order method."""
    return tuple(Setting(lr=each) for each in values)


def bounds_and_dampings(
    bounds: tuple[float, float], dampings: tuple[float, float]
) -> tuple[Setting, ...]:
    """Settings of a second-order method."""
    pairs = product(bounds, dampings)
    return tuple(Setting(kl_clip=bound, damping=damping) for bound, damping in pairs)


# In the order of trying; the first is what `--quick` takes.
SETTINGS = {
    "sgd": rates(0.1, 0.05, 0.2, 0.025),
    "adamw": rates(1e-2, 3e-3, 1e-3, 3e-2),
    "lamb": rates(1e-2, 3e-3, 3e-2, 1e-1),
    "kfac": bounds_and_dampings((3e-3, 1e-2), (3e-3, 1e-3)),
    "sp_ngd": bounds_and_dampings((3e-3, 1e-2), (3e-3, 1e-3)),
}


def config_of(method: str, setting: Setting, batch_size: int) -> OptimizerConfig:
    """All hyper-parameters of a method.

    Args:
        method: Name in `SETTINGS`.
        setting: What is not the default.
        batch_size: Examples of a step.

    Returns:
        The product's configuration.
    """
    given = asdict(setting).items()
    values: dict[str, float] = {name: each for name, each in given if each is not None}
    if method == "kfac":
        values["factor_interval"] = max(1, FRESH // batch_size)
    return OptimizerConfig(name=method, hyperparameters=values)


def build_contender(
    method: str, setting: Setting, batch_size: int, model: nn.Module
) -> Optimizer:
    """The optimizer of a network, as `config_of` has it."""
    config = config_of(method, setting, batch_size)
    plan = Plan(num_data=0, seed=0, num_steps=0, network=lambda _: model)
    return build_optimizer(config, model, plan)
