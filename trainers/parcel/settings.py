"""From the values of a form to the arguments of a constructor, and to a line of code.

Only what differs from what the constructor takes by itself is written, so that code
holds exactly the choices that were made.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainers.hyperparameters import AUTO, OptimizerSpec

WIDTH = 88  # columns of code

# Hyper-parameters of which some say with 0 what the constructor does with None.
_ZERO_IS_NONE = ("inverse_interval", "kl_clip", "max_grad_norm")


@dataclass(frozen=True, kw_only=True)
class Maker:
    """What makes an optimizer.

    Args:
        imports: The line that imports it.
        call: Its name.
        ours: Whether it is of `vogn_app`.
        given: First arguments; `num_data` is put beside them where it is wanted.
        num_data: Whether it asks for the number of training examples.
        defaults: What it takes by itself where that is not what the catalogue says.
    """

    imports: str
    call: str
    ours: bool = False
    given: tuple[str, ...] = ("model.parameters()",)
    num_data: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _of_ours(name: str, *, num_data: bool = False) -> Maker:
    return Maker(
        imports=f"from vogn_app import {name}", call=name, ours=True,
        given=("model",), num_data=num_data,
    )  # fmt: skip


MAKERS: dict[str, Maker] = {
    "vogn": _of_ours("VOGN", num_data=True),
    "kfac": _of_ours("KFAC"),
    "noisy_kfac": _of_ours("NoisyKFAC", num_data=True),
    "sp_ngd": _of_ours("SPNGD"),
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
        What differs from what the constructor takes by itself, by keyword.

    Raises:
        ValueError: If a name is unknown or a value out of range.
    """
    found, maker = spec.validated(values), MAKERS[spec.name]
    defaults = {**spec.defaults(), **maker.defaults}
    differing: dict[str, Any] = {
        name: None if name in _ZERO_IS_NONE and not value else value
        for name, value in found.items()
        if value not in (defaults[name], AUTO)
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
    automatic: bool = False,
    indent: int = 0,
    start: str = "optimizer = ",
) -> str:
    """The line that makes an optimizer, or several lines if it is long.

    Args:
        spec: The optimizer.
        values: Hyper-parameters by name.
        model: What the network is called.
        num_data: What the number of training examples is called.
        automatic: Whether it is to make its blocks by itself.
        indent: Spaces before the line.
        start: What stands before the call.

    Returns:
        Code without a line break at its end.

    Raises:
        ValueError: If a name is unknown or a value out of range.
    """
    maker = MAKERS[spec.name]
    given = [each.replace("model", model, 1) for each in maker.given]
    given += [f"num_data={num_data}"] if maker.num_data else []
    given += [
        f"{name}={written(value)}" for name, value in chosen(spec, values).items()
    ]
    given += ["automatic=True"] if automatic and maker.num_data else []
    return call(f"{start}{maker.call}", given, indent)


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
