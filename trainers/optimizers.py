"""Optimizers by name, from the hyper-parameters of a configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from trainers.config import OptimizerConfig
from trainers.ensembles import MEMBERS, member_seeds
from vogn_app import (
    IVON,
    KFAC,
    SGHMC,
    SGLD,
    SPNGD,
    SWAG,
    VOGN,
    Ensemble,
    Laplace,
    MCDropout,
    NoisyKFAC,
    SnapshotEnsemble,
    Vadam,
)

LEAST_STEPS = 2  # of SWAG: of one set of weights there is no deviation


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an optimizer may have to know of the training that it is for.

    Args:
        num_data: Size of the training split.
        seed: Seed of the run, and so of the noise of optimizers that have some.
        num_steps: Steps of the whole training.
        network: Gives a freshly initialised network like the run's from a seed, on its
            device, and leaves torch's global generators as they are.
    """

    num_data: int
    seed: int
    num_steps: int
    network: Callable[[int], nn.Module]


def build_optimizer(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    """Build the optimizer of a run.

    Args:
        config: Name and all hyper-parameters.
        model: The network.
        plan: Of the training.

    Returns:
        A torch optimizer over all of the network's parameters.
    """
    return _BUILDERS[config.name](config, model, plan)


def _vogn(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return VOGN(model, **_of_data(plan), **config.hyperparameters)


def _kfac(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    options = _zero_is_none(config, "inverse_interval", "kl_clip")
    return KFAC(model, seed=plan.seed, **options)


def _noisy_kfac(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    options = _zero_is_none(config, "inverse_interval", "kl_clip")
    return NoisyKFAC(model, **_of_data(plan), **options)


def _sp_ngd(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return SPNGD(model, seed=plan.seed, **_zero_is_none(config, "kl_clip"))


def _adamw(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:  # noqa: ARG001
    return AdamW(model.parameters(), **_with_betas(config.hyperparameters))


def _sgd(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:  # noqa: ARG001
    return SGD(model.parameters(), **config.hyperparameters)


def _lamb(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:  # noqa: ARG001
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


def _ensemble(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    values = dict(config.hyperparameters)
    models, seeds = _networks(values.pop(MEMBERS), model, plan)
    each = [AdamW(m.parameters(), **_with_betas(values)) for m in models]
    return Ensemble(each, models, seeds=seeds)


def _multi_vogn(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    values = dict(config.hyperparameters)
    models, seeds = _networks(values.pop(MEMBERS), model, plan)
    each = [
        # The ranks share out the members, which have nothing to tell each other.
        VOGN(m, num_data=plan.num_data, seed=seed, process_group=None, **values)
        for m, seed in zip(models, seeds, strict=True)
    ]
    return Ensemble(each, models, seeds=seeds)


def _mc_dropout(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:  # noqa: ARG001
    return MCDropout(model, **_with_betas(config.hyperparameters))


def _swag(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    if plan.num_steps < LEAST_STEPS:
        raise ValueError(
            f"epochs and batch_size must give SWAG at least {LEAST_STEPS} steps, got "
            f"{plan.num_steps}."
        )
    return SWAG(model, num_steps=plan.num_steps, **config.hyperparameters)


def _sgld(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return SGLD(
        model, num_steps=plan.num_steps, **_of_data(plan), **config.hyperparameters
    )


def _sghmc(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return SGHMC(
        model, num_steps=plan.num_steps, **_of_data(plan), **config.hyperparameters
    )


def _snapshot(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return SnapshotEnsemble(model, num_steps=plan.num_steps, **config.hyperparameters)


def _ivon(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return IVON(model, **_of_data(plan), **_zero_is_none(config, "clip_radius"))


def _vadam(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return Vadam(model, **_of_data(plan), **config.hyperparameters)


def _ogn(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return VOGN(model, sampled=False, **_of_data(plan), **config.hyperparameters)


def _networks(
    num: int, model: nn.Module, plan: Plan
) -> tuple[list[nn.Module], list[int]]:
    """The networks of an ensemble, the run's own first, and their seeds."""
    seeds = member_seeds(plan.seed, num)
    first, *others = map(plan.network, seeds)
    model.load_state_dict(first.state_dict())
    return [model, *others], seeds


def _laplace(config: OptimizerConfig, model: nn.Module, plan: Plan) -> Optimizer:
    return Laplace(model, **_of_data(plan), **_with_betas(config.hyperparameters))


def _of_data(plan: Plan) -> dict[str, Any]:
    """What those with a posterior are told of the data, and their noise's seed."""
    return {"num_data": plan.num_data, "seed": plan.seed}


def _with_betas(values: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(values)
    return options | {"betas": (options.pop("beta1"), options.pop("beta2"))}


def _zero_is_none(config: OptimizerConfig, *names: str) -> dict[str, Any]:
    """Hyper-parameters of which some say with 0 what the constructor does with None."""
    off = {name: config.hyperparameters[name] or None for name in names}
    return {**config.hyperparameters, **off}


_BUILDERS: dict[str, Callable[[OptimizerConfig, nn.Module, Plan], Optimizer]] = {
    "vogn": _vogn,
    "kfac": _kfac,
    "noisy_kfac": _noisy_kfac,
    "sp_ngd": _sp_ngd,
    "adamw": _adamw,
    "sgd": _sgd,
    "lamb": _lamb,
    "ensemble": _ensemble,
    "multi_vogn": _multi_vogn,
    "mc_dropout": _mc_dropout,
    "swag": _swag,
    "sgld": _sgld,
    "sghmc": _sghmc,
    "snapshot": _snapshot,
    "ivon": _ivon,
    "vadam": _vadam,
    "ogn": _ogn,
    "laplace": _laplace,
}
