"""From the values of a form to the arguments of a constructor, and to a line of code.

Only what differs from what the constructor takes by itself is written, so that code
holds exactly the choices that were made.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainers.ensembles import MEMBERS
from trainers.hyperparameters import AUTO, OptimizerSpec

WIDTH = 88  # columns of code

# Hyper-parameters of which some say with 0 what the constructor does with None.
_ZERO_IS_NONE = ("inverse_interval", "kl_clip", "max_grad_norm", "clip_radius")


@dataclass(frozen=True, kw_only=True)
class Maker:
    """What makes an optimizer.

    Args:
        imports: The lines that import it.
        call: Its name.
        ours: Whether it is of `vogn_app`.
        given: First arguments, in which `model` stands for the network.
        num_data: Whether it asks for the number of training examples.
        num_steps: Whether it asks for the number of steps.
        blocks: Whether gradients are taken within blocks of its own, which it makes by
            itself if it is told so.
        finishes: Whether it goes through the training data when the last step is done.
        members: Whether it trains several networks, with an optimizer each, which are
            the ones that hyper-parameters are for.
        defaults: What it takes by itself where that is not what the catalogue says.
    """

    imports: str
    call: str
    ours: bool = False
    given: tuple[str, ...] = ("model.parameters()",)
    num_data: bool = False
    num_steps: bool = False
    blocks: bool = False
    finishes: bool = False
    members: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The class of what is made."""
        return "Ensemble" if self.members else self.call


def _of_ours(name: str, *fixed: str, **wants: Any) -> Maker:
    return Maker(
        imports=f"from vogn_app import {name}", call=name, ours=True,
        given=("model", *fixed), **wants,
    )  # fmt: skip


def _sampled(name: str, *fixed: str) -> Maker:
    return _of_ours(name, *fixed, num_data=True, blocks=True)


MAKERS: dict[str, Maker] = {
    "vogn": _sampled("VOGN"),
    "kfac": _of_ours("KFAC"),
    "noisy_kfac": _sampled("NoisyKFAC"),
    "sp_ngd": _of_ours("SPNGD"),
    "ivon": _sampled("IVON"),
    "vadam": _sampled("Vadam"),
    "ogn": _sampled("VOGN", "sampled=False"),
    "mc_dropout": _of_ours("MCDropout"),
    "swag": _of_ours("SWAG", num_steps=True, finishes=True),
    "sgld": _of_ours("SGLD", num_data=True, num_steps=True),
    "sghmc": _of_ours("SGHMC", num_data=True, num_steps=True),
    "snapshot": _of_ours("SnapshotEnsemble", num_steps=True),
    "laplace": _of_ours("Laplace", num_data=True, finishes=True),
    "ensemble": Maker(
        imports="from torch.optim import AdamW\nfrom vogn_app import Ensemble",
        call="AdamW", ours=True, members=True,
    ),
    # The processes share out the members, which have nothing to tell each other.
    "multi_vogn": Maker(
        imports="from vogn_app import VOGN, Ensemble", call="VOGN", ours=True,
        given=("model", "seed=seed", "process_group=None"), num_data=True, blocks=True,
        members=True,
    ),
    "adamw": Maker(imports="from torch.optim import AdamW", call="AdamW"),
    "sgd": Maker(
        imports="from torch.optim import SGD", call="SGD",
        defaults={"lr": 1e-3, "momentum": 0, "weight_decay": 0},
    ),
    # The factory leaves biases and norm layers without decay, as the paper does.
    "lamb": Maker(
        imports="from timm.optim import create_optimizer_v2",
        call="create_optimizer_v2", given=("model", 'opt="lamb"'),
        defaults={"lr": None, "weight_decay": 0.0},
    ),
}  # fmt: skip


def chosen(spec: OptimizerSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a constructor must be given.

    Args:
        spec: The optimizer.
        values: Hyper-parameters by name; those that are missing have their default.

    Returns:
        What differs from what the constructor takes by itself, by keyword. The number
        of members is no argument.

    Raises:
        ValueError: If a name is unknown or a value out of range.
    """
    found, maker = spec.validated(values), MAKERS[spec.name]
    defaults = {**spec.defaults(), **maker.defaults}
    differing: dict[str, Any] = {
        name: None if name in _ZERO_IS_NONE and not value else value
        for name, value in found.items()
        if value not in (defaults[name], AUTO) and name != MEMBERS
    }
    if "beta1" in differing or "beta2" in differing:
        differing["betas"] = (found["beta1"], found["beta2"])
    return {
        name: value
        for name, value in differing.items()
        if name not in ("beta1", "beta2")
    }


def has_posterior(spec: OptimizerSpec, values: Mapping[str, Any]) -> bool:
    """Whether an optimizer with these hyper-parameters learns a posterior."""
    return spec.bayesian and spec.validated(values).get("sampled") is not False


def constructor(
    spec: OptimizerSpec,
    values: Mapping[str, Any],
    *,
    model: str = "model",
    num_data: str = "",
    num_steps: str = "",
    automatic: bool = False,
    indent: int = 0,
    start: str = "optimizer = ",
) -> str:
    """The line that makes an optimizer, or several lines if it is long.

    Args:
        spec: The optimizer.
        values: Hyper-parameters by name.
        model: What the network is called; networks of several are in a list `models`.
        num_data: What the number of training examples is called.
        num_steps: What the number of steps is called.
        automatic: Whether it is to make its blocks by itself.
        indent: Spaces before the line.
        start: What stands before the call.

    Returns:
        Code without a line break at its end.

    Raises:
        ValueError: If a name is unknown or a value out of range.
    """
    maker = MAKERS[spec.name]
    model = "each" if maker.members else model
    first, *fixed = maker.given
    given = [first.replace("model", model, 1)]
    given += [f"num_data={num_data}"] if maker.num_data else []
    given += [f"num_steps={num_steps}"] if maker.num_steps else []
    given += [
        *fixed,
        *(f"{name}={written(value)}" for name, value in chosen(spec, values).items()),
    ]
    given += ["automatic=True"] if automatic and maker.blocks else []
    if maker.members:
        return _ensemble(maker, given, indent, start)
    return call(f"{start}{maker.call}", given, indent)


def _ensemble(maker: Maker, given: Sequence[str], indent: int, start: str) -> str:
    """The call that makes an ensemble of `models`, with an optimizer each."""
    margin, each = " " * indent, "for each in models"
    if "seed=seed" in given:
        each = "for seed, each in enumerate(models)"
    whole = f"{margin}{start}Ensemble([{call(maker.call, given)} {each}], models)"
    if len(whole) <= WIDTH and "\n" not in whole:
        return whole
    return "\n".join([
        f"{margin}{start}Ensemble(",
        f"{margin}    [",
        call(maker.call, given, indent + 8),
        f"{margin}        {each}",
        f"{margin}    ],",
        f"{margin}    models,",
        f"{margin})",
    ])


def written(value: Any) -> str:
    """A value as code, text in double quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def call(function: str, arguments: Sequence[str], indent: int = 0) -> str:
    """A call in as few lines as fit, the later ones four spaces further in."""
    margin = " " * indent
    whole = f"{margin}{function}({', '.join(arguments)})"
    if len(whole) <= WIDTH:
        return whole
    lines = [" " * (indent + 4)]
    for argument in arguments:
        if len(lines[-1]) + len(argument) + 1 > WIDTH:
            lines.append(" " * (indent + 4))
        lines[-1] += f"{argument}, "
    inner = "\n".join(line.rstrip() for line in lines)
    return f"{margin}{function}(\n{inner}\n{margin})"
