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
            module, with all that is in it.

    Returns:
        Them by name, without the scale and shift of BatchNorm, which are deterministic.

    Raises:
        ValueError: If there are none.
    """
    silent = batch_norm_parameters(network)
    open_to = {n: p for n, p in parameters.items() if id(p) not in silent}
    name = _last_layer(network, open_to) if subset == LAST_LAYER else subset
    found = {
        each: parameter
        for each, parameter in open_to.items()
        if subset == ALL or each.startswith(f"{name}.") or not name
    }
    if not found:
        raise ValueError(
            "subset must be all, last_layer or the name of a module with parameters to "
            f"train, got {subset!r}."
        )
    return found


def _last_layer(network: nn.Module, parameters: Mapping[str, nn.Parameter]) -> str:
    """Its name; that of no module if there is none, "" if it is the network itself."""
    ids = {id(p) for p in parameters.values()}
    found = "."
    for name, module in unwrap(network).named_modules():
        own = module.parameters(recurse=False)
        if any(id(p) in ids and p.ndim > 1 for p in own):
            found = name
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
