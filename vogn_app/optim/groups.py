"""Parameter groups: their settings, their BatchNorm members, the shapes of a state."""

from typing import Any

from torch import nn

from .._checks import check_count, check_number


def check_group(group: dict[str, Any]) -> None:
    """Check the settings of one parameter group; ValueError names the first wrong one.

    Args:
        group: All settings of the group.

    Raises:
        ValueError: If a setting is out of range, or the precision could become zero.
    """
    check_count("num_data", group["num_data"])
    for name in ("lr", "initial_curvature", "temperature", "augmentation_factor"):
        check_number(name, group[name], minimum=0, open_minimum=True)
    for name in ("momentum", "curvature_decay"):
        check_number(name, group[name], minimum=0, maximum=1, open_maximum=True)
    for name in ("prior_precision", "damping"):
        check_number(name, group[name], minimum=0)
    if not (group["curvature_decay"] or group["prior_precision"] or group["damping"]):
        raise ValueError(
            "damping must be > 0 when curvature_decay and prior_precision are 0 (the "
            "precision of an unused weight would be 0), got 0."
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


def check_shapes(
    groups: list[dict[str, Any]], state_dict: dict[str, Any], keys: tuple[str, ...]
) -> None:
    """Check that a state to load has the shapes of the parameters.

    Args:
        groups: The optimizer's parameter groups.
        state_dict: The state to load.
        keys: Entries of each parameter's state that have its shape.

    Raises:
        ValueError: If a shape differs; names the first.
    """
    theirs = [i for group in state_dict["param_groups"] for i in group["params"]]
    ours = [p for group in groups for p in group["params"]]
    for parameter, index in zip(ours, theirs, strict=False):
        state = state_dict["state"].get(index, {})
        for key in keys:
            if key in state and state[key].shape != parameter.shape:
                raise ValueError(
                    f"{key} must have shape {tuple(parameter.shape)} in the state to "
                    f"load, got {tuple(state[key].shape)}."
                )
