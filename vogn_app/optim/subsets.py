"""Which parameters of a network have a posterior, where not all of them do."""

from collections.abc import Collection, Mapping

from torch import nn

from ..curvature.kronecker.blocks import Block
from ..curvature.kronecker.layout import Watched
from ..posterior.matching import unwrap
from .groups import batch_norm_parameters

ALL, LAST_LAYER = "all", "last_layer"
# Parameters of a layer whose whole covariance is held: its square is in memory.
FULL_LIMIT = 8192


def subset_of(
    network: nn.Module, parameters: Mapping[str, nn.Parameter], subset: str
) -> dict[str, nn.Parameter]:
    """The parameters that a subset is made of.

    Args:
        network: The network, wrapped or not.
        parameters: Those that are trained, by name within wrappers.
        subset: "all"; "last_layer", the last module in the network's order that has a
            trained weight of two or more dimensions of its own; or the name of a
            module, with all that is in it. A weight that several modules share is in
            each of them, whichever it is named after.

    Returns:
        Them by name, without the scale and shift of BatchNorm, which are deterministic.

    Raises:
        ValueError: If there are none.
    """
    silent = batch_norm_parameters(network)
    open_to = {n: p for n, p in parameters.items() if id(p) not in silent}
    ids = {id(p) for p in open_to.values()}
    if subset != ALL:
        ids = {id(p) for p in _module(network, ids, subset).parameters()}
    found = {name: p for name, p in open_to.items() if id(p) in ids}
    if not found:
        raise ValueError(
            "subset must be all, last_layer or the name of a module with parameters to "
            f"train, got {subset!r}."
        )
    return found


def _module(network: nn.Module, ids: Collection[int], subset: str) -> nn.Module:
    """The module of a subset; an empty one if there is none."""
    named: dict[str, nn.Module] = dict(
        unwrap(network).named_modules(remove_duplicate=False)
    )
    found = nn.Module()
    if subset != LAST_LAYER:
        return named.get(subset, found)
    for module in named.values():
        own = module.parameters(recurse=False)
        if any(id(p) in ids and p.ndim > 1 for p in own):
            found = module
    return found


def check_full(watched: Collection[Watched], blocks: Mapping[str, Block]) -> None:
    """Check that the whole covariance of a subset can be held.

    Args:
        watched: The subset's layers.
        blocks: Their blocks.

    Raises:
        ValueError: If there are several layers, or too large a one.
    """
    if len(watched) > 1:
        raise ValueError(
            "structure must be 'kronecker' or 'diagonal' for a subset of several "
            f"layers, got 'full' for {len(watched)} layers."
        )
    for name, block in blocks.items():
        size = block.matrix_shape.numel()
        if size > FULL_LIMIT:
            raise ValueError(
                "structure must be 'kronecker' or 'diagonal' for a layer of more than "
                f"{FULL_LIMIT} parameters, got 'full' for {name} with {size}."
            )
