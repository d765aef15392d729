"""Optimizers by name, from the hyper-parameters of a configuration."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from trainers.config import OptimizerConfig
from vogn_app import KFAC, SPNGD, VOGN, NoisyKFAC


def build_optimizer(
    config: OptimizerConfig, model: nn.Module, num_data: int, seed: int
) -> Optimizer:
    """Build the optimizer of a run.

    Args:
        config: Name and all hyper-parameters.
        model: The network.
        num_data: Size of the training split.
        seed: Seed of the weight noise, for optimizers that have some.

    Returns:
        A torch optimizer over all of the network's parameters.
    """
    return _BUILDERS[config.name](config, model, num_data, seed)


def _vogn(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:
    return VOGN(model, num_data=num, seed=seed, **config.hyperparameters)


def _kfac(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:  # noqa: ARG001
    options = _zero_is_none(config, "inverse_interval", "kl_clip")
    return KFAC(model, seed=seed, **options)


def _noisy_kfac(
    config: OptimizerConfig, model: nn.Module, num: int, seed: int
) -> Optimizer:
    options = _zero_is_none(config, "inverse_interval", "kl_clip")
    return NoisyKFAC(model, num_data=num, seed=seed, **options)


def _sp_ngd(
    config: OptimizerConfig,
    model: nn.Module,
    num: int,  # noqa: ARG001
    seed: int,
) -> Optimizer:
    return SPNGD(model, seed=seed, **_zero_is_none(config, "kl_clip"))


def _adamw(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:  # noqa: ARG001
    return AdamW(model.parameters(), **_with_betas(config.hyperparameters))


def _sgd(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:  # noqa: ARG001
    return SGD(model.parameters(), **config.hyperparameters)


def _lamb(config: OptimizerConfig, model: nn.Module, num: int, seed: int) -> Optimizer:  # noqa: ARG001
    from timm.optim.lamb import Lamb  # seconds, which other optimizers save

    options = _with_betas(_zero_is_none(config, "max_grad_norm"))
    decay = options.pop("weight_decay")
    # As in the paper, biases and norm layers have neither decay nor a scaled step.
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return Lamb([group for group in groups if group["params"]], **options)


def _with_betas(values: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(values)
    return options | {"betas": (options.pop("beta1"), options.pop("beta2"))}


def _zero_is_none(config: OptimizerConfig, *names: str) -> dict[str, Any]:
    """Hyper-parameters of which some say with 0 what the constructor does with None."""
    off = {name: config.hyperparameters[name] or None for name in names}
    return {**config.hyperparameters, **off}


_BUILDERS: dict[str, Callable[[OptimizerConfig, nn.Module, int, int], Optimizer]] = {
    "vogn": _vogn,
    "kfac": _kfac,
    "noisy_kfac": _noisy_kfac,
    "sp_ngd": _sp_ngd,
    "adamw": _adamw,
    "sgd": _sgd,
    "lamb": _lamb,
}
