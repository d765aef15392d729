"""Which parameters a preconditioner is for, and which of them its blocks cover."""

import warnings
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from ..curvature.functional import listed
from ..curvature.kronecker.blocks import Block
from ..curvature.layers import unwrapped


def named_parameters(
    model: nn.Module, params: Iterable[nn.Parameter] | None
) -> dict[str, nn.Parameter]:
    """Parameters by their name within wrappers.

    Args:
        model: The model.
        params: Those wanted; None for all that require a gradient.

    Returns:
        Them.

    Raises:
        ValueError: If one is not the model's.
    """
    inner, _ = unwrapped(model)
    named = dict(inner.named_parameters())
    if params is None:
        return {name: p for name, p in named.items() if p.requires_grad}
    wanted = {id(p) for p in params}
    found = {name: p for name, p in named.items() if id(p) in wanted}
    if len(found) < len(wanted):
        raise ValueError(
            "params must be parameters of the model, got "
            f"{len(wanted) - len(found)} that are not."
        )
    return found


def kinds_of(blocks: Mapping[str, Block], names: Iterable[str]) -> dict[str, str]:
    """The kind of block that each parameter is in.

    Args:
        blocks: All of them.
        names: Of the parameters.

    Returns:
        Kinds by parameter name, "" without a block.
    """
    kinds = {
        part.name: block.kind
        for block in blocks.values()
        for part in block.parts.values()
    }
    return {name: kinds.get(name, "") for name in names}


def warn_of_uncovered(
    kinds: Mapping[str, str], parameters: Mapping[str, Tensor]
) -> None:
    """Say which parameters have no block, to the caller of an optimizer's constructor.

    Args:
        kinds: As `kinds_of`.
        parameters: By the same names.
    """
    left = [name for name, kind in kinds.items() if not kind]
    if left:
        number = sum(parameters[name].numel() for name in left)
        share = number / sum(p.numel() for p in parameters.values())
        warnings.warn(
            f"{listed(left)} ({share:.1%} of the parameters) have no curvature: "
            "no layer that is known owns them. Their gradient is used as it is.",
            stacklevel=3,
        )
