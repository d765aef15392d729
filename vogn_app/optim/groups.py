"""Parameter groups: their settings, and what the settings amount to."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any

from torch import Tensor, nn

from .._checks import check_count, check_number, check_whole

POSITIVE = ("lr", "temperature", "initial_temperature", "augmentation_factor")
FRACTIONS = ("momentum", "curvature_decay")
NOT_NEGATIVE = ("prior_precision", "damping", "weight_decay")

AUTO, ESTIMATE = "auto", "estimate"
Setting = float | str  # a number or "auto"
Prior = float | str | Mapping[str, float]

# What "auto" stands for, with N the number of examples. Total curvature, N s, and the
# prior's share per example, tau delta / N, then do not depend on N, and neither does
# the size of a step. Found on validation data of Fashion-MNIST (LeNet-5 on 55,000
# images; damping and prior also by ResNet-20 on 10,000), of digits, and of the
# two-dimensional sets.
AUTO_LR = 4000.0  # over N
AUTO_CURVATURE = 8000.0  # over N
AUTO_DAMPING = 1600.0  # over N
AUTO_PRIOR = 1 / 1200  # times N


def plain(setting: Any) -> Any:
    """A number in place of a tensor or NumPy scalar that holds one."""
    scalar = isinstance(setting, Tensor) and setting.ndim == 0
    foreign = isinstance(setting, Real) and not isinstance(setting, int | float)
    return float(setting) if scalar or foreign else setting


Rules = Mapping[str, Callable[[float], float]]  # what "auto" stands for, of N
AUTOMATIC: Rules = {
    "lr": lambda num: AUTO_LR / num,
    "initial_curvature": lambda num: AUTO_CURVATURE / num,
    "damping": lambda num: AUTO_DAMPING / num,
    "prior_precision": lambda num: AUTO_PRIOR * num,
}


def resolved(group: dict[str, Any], rules: Rules = AUTOMATIC) -> dict[str, Any]:
    """The settings of a group with numbers for "auto".

    Args:
        group: Settings, checked or not.
        rules: What "auto" stands for, by name.

    Returns:
        Settings with numbers where they follow from the number of examples.
    """
    asked = {name for name in rules if group[name] == AUTO}
    if not asked:
        return group
    check_count("num_data", group["num_data"])
    factor = group["augmentation_factor"]
    check_number("augmentation_factor", factor, minimum=0, open_minimum=True)
    num = num_effective(group)
    return {**group, **{name: rules[name](num) for name in asked}}


def check_group(group: dict[str, Any]) -> None:
    """Check the settings of one parameter group; ValueError names the first wrong one.

    Args:
        group: All settings of the group.

    Raises:
        ValueError: If a setting is out of range, or the precision could become zero.
    """
    check_count("num_data", group["num_data"])
    check_whole("temperature_warmup", group["temperature_warmup"], minimum=0)
    for name in POSITIVE:
        check_number(name, group[name], minimum=0, open_minimum=True)
    if group["initial_curvature"] != ESTIMATE:
        value = group["initial_curvature"]
        check_number("initial_curvature", value, minimum=0, open_minimum=True)
    for name in FRACTIONS:
        check_number(name, group[name], minimum=0, maximum=1, open_maximum=True)
    for name in NOT_NEGATIVE:
        check_number(name, group[name], minimum=0)
    if not isinstance(group["sampled"], bool):
        raise ValueError(f"sampled must be True or False, got {group['sampled']!r}.")
    if group["prior_precision"] or group["damping"]:
        return
    why = "the precision of an unused weight would be 0"
    if not group["curvature_decay"]:
        raise ValueError(
            "damping must be > 0 when curvature_decay and prior_precision are 0 "
            f"({why}), got 0."
        )
    if group["initial_curvature"] == ESTIMATE:
        raise ValueError(
            "initial_curvature must be a number when prior_precision and damping are 0 "
            f"({why}), got {ESTIMATE!r}."
        )


def prior_of(name: str, prior: Prior) -> Setting:
    """Prior precision of a parameter.

    Args:
        name: Its name in the model.
        prior: One number for all, or numbers by name or shell pattern ("head.*"), of
            which the first that fits counts.

    Returns:
        The precision; "auto" where nothing fits.
    """
    if not isinstance(prior, Mapping):
        return prior
    fits = (value for key, value in prior.items() if fnmatchcase(name, key))
    return next(fits, AUTO)


def check_prior(prior: Prior, names: list[str]) -> None:
    """Check prior precisions by name.

    Args:
        prior: As for `prior_of`.
        names: Names of the parameters it is for.

    Raises:
        ValueError: If a number is negative, or a key fits no parameter.
    """
    if not isinstance(prior, Mapping):
        return
    for key, value in prior.items():
        check_number(f"prior_precision[{key!r}]", value, minimum=0)
        if not any(fnmatchcase(name, key) for name in names):
            raise ValueError(
                "prior_precision must have keys that fit parameters to be trained, "
                f"got {key!r}."
            )


def tempered(group: dict[str, Any], num_steps: int) -> dict[str, Any]:
    """The settings of a group with the temperature that holds after so many steps.

    Args:
        group: The settings.
        num_steps: Steps done.

    Returns:
        The settings; temperature rises from `initial_temperature` in a line to its own
        value over `temperature_warmup` steps.
    """
    steps = group["temperature_warmup"]
    if num_steps >= steps:
        return group
    start, end = group["initial_temperature"], group["temperature"]
    return {**group, "temperature": start + (end - start) * num_steps / steps}


def num_effective(group: dict[str, Any]) -> float:
    """N: examples the posterior is told of."""
    return float(group["num_data"] * group["augmentation_factor"])


def prior_weight(group: dict[str, Any]) -> float:
    """Tau delta / N: the prior's share in gradient and step, per example."""
    weight = group["temperature"] * group["prior_precision"] / num_effective(group)
    return float(weight)


def precision_line(group: dict[str, Any], former: bool = False) -> tuple[float, float]:
    """Slope and offset of the precision P as a function of the curvature s.

    Args:
        group: Settings, at their present temperature.
        former: Whether the prior's precision is another for each weight, and so no part
            of the offset.
    """
    slope = num_effective(group) / group["temperature"]
    return slope, slope * group["damping"] + (
        0.0 if former else group["prior_precision"]
    )


def batch_norm_parameters(model: nn.Module) -> set[int]:
    """Ids of the parameters of all BatchNorm layers."""
    norms = (
        m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)
    )
    batch_norms = (
        m for m in norms if not isinstance(m, nn.modules.instancenorm._InstanceNorm)
    )
    return {id(p) for m in batch_norms for p in m.parameters(recurse=False)}
