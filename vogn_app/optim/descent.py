"""Steps along natural gradients with momentum, as torch.optim.SGD takes along others.

With v the sum of past steps, d = P + weight_decay theta, and nu a factor in (0, 1]:

    v     <- nu (momentum v + d)
    theta <- theta - lr v           with nesterov theta - lr (nu d + momentum v)
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor

from .._checks import check_number

MOMENTUM = "momentum_buffer"  # key of v in the state


def buffer_of(state: MutableMapping[str, Any], parameter: Tensor) -> Tensor:
    """The sum of a parameter's past steps, zero at first."""
    if MOMENTUM not in state:
        state[MOMENTUM] = torch.zeros_like(parameter)
    buffer: Tensor = state[MOMENTUM]
    return buffer


def descend(
    parameters: list[Tensor],
    steps: list[Tensor],
    buffers: list[Tensor],
    group: Mapping[str, Any],
    factor: Tensor | None = None,
) -> None:
    """Take a step, in place.

    Args:
        parameters: theta of a group.
        steps: P of each; used up.
        buffers: v of each; none without momentum.
        group: `lr` and `momentum`, and maybe `weight_decay` and `nesterov`.
        factor: nu; None for 1.
    """
    if not parameters:
        return
    if decay := group.get("weight_decay"):
        torch._foreach_add_(steps, parameters, alpha=decay)
    if factor is not None:
        torch._foreach_mul_(steps, factor)
    if momentum := group["momentum"]:
        torch._foreach_mul_(buffers, momentum if factor is None else factor * momentum)
        torch._foreach_add_(buffers, steps)
        if group.get("nesterov"):
            torch._foreach_add_(steps, buffers, alpha=momentum)
        else:
            steps = buffers
    torch._foreach_add_(parameters, steps, alpha=-group["lr"])


def check_descent(group: Mapping[str, Any]) -> None:
    """Check the settings of a parameter group that `descend` looks at.

    Args:
        group: Settings by name.

    Raises:
        ValueError: If one is out of range.
    """
    check_number("lr", group["lr"], minimum=0)
    check_number("momentum", group["momentum"], minimum=0, maximum=1, open_maximum=True)
    check_number("weight_decay", group.get("weight_decay", 0), minimum=0)
    nesterov = group.get("nesterov", False)
    if not isinstance(nesterov, bool):
        raise ValueError(f"nesterov must be True or False, got {nesterov!r}.")
    if nesterov and not group["momentum"]:
        raise ValueError("momentum must be > 0 with nesterov, got 0.")
