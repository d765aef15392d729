"""What optimizers that train as AdamW does check: settings, and states to load."""

from collections.abc import Mapping
from typing import Any

from .._checks import check_number
from .loading import check_names, check_settings, check_shapes, check_sizes

SETTINGS = ("lr", "eps", "weight_decay", "betas")
AVERAGES = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")  # of a parameter's shape


def check_adamw(group: Mapping[str, Any]) -> None:
    """Check AdamW's settings of a parameter group.

    Args:
        group: Settings by name.

    Raises:
        ValueError: If one is out of range; names the first.
    """
    check_number("lr", group["lr"], minimum=0)
    check_number("eps", group["eps"], minimum=0)
    check_number("weight_decay", group["weight_decay"], minimum=0)
    for number, beta in enumerate(group["betas"], 1):
        check_number(f"beta{number}", beta, minimum=0, maximum=1, open_maximum=True)


def check_adamw_state(groups: list[dict[str, Any]], state_dict: dict[str, Any]) -> None:
    """Check that a state to load is of the parameters and settings of ours.

    Args:
        groups: The optimizer's parameter groups, with names.
        state_dict: The state to load.

    Raises:
        ValueError: If it is of others; names the first difference.
    """
    check_sizes(groups, state_dict)
    check_names(groups, state_dict)
    check_settings(groups, state_dict, SETTINGS)
    check_shapes(groups, state_dict, AVERAGES)
