"""Draws of the weights, which leave no trace."""

from collections.abc import Callable

import torch
from torch import Tensor

from .. import kernels
from .noise import NoiseSource

# Parameters of one group, their curvatures, and the line that gives the precision.
GroupDraw = tuple[list[Tensor], list[Tensor], tuple[float, float]]


@torch.no_grad()
def perturb(
    groups: list[GroupDraw],
    noise: NoiseSource,
    buffers: dict[Tensor, Tensor] | None = None,
) -> Callable[[], None]:
    """Add noise of the posterior to parameters in place.

    Args:
        groups: For each group its parameters mu, curvatures s, and slope and offset of
            the precision P = slope s + offset.
        noise: Where the noise comes from.
        buffers: Memory for the means, by parameter, to be used again: to ask the system
            for it anew costs as much as to fill it.

    Returns:
        What puts the mean back, bit for bit.
    """
    parameters: list[Tensor] = []
    means: list[Tensor] = []
    buffers = {} if buffers is None else buffers

    @torch.no_grad()
    def restore() -> None:
        if parameters:
            torch._foreach_copy_(parameters, means)

    try:
        for members, curvatures, line in groups:
            kept = [_memory_for(parameter, buffers) for parameter in members]
            _perturb_group(members, kept, curvatures, line, noise)
            parameters += members
            means += kept
    except BaseException:
        restore()
        raise
    return restore


def _perturb_group(
    members: list[Tensor],
    kept: list[Tensor],
    curvatures: list[Tensor],
    line: tuple[float, float],
    noise: NoiseSource,
) -> None:
    """Keep the means of a group and add noise to it; nothing happens if that fails."""
    if kernels.supports(*members, *kept, *curvatures):
        key = noise.key()
        kernels.sample_(members, kept, curvatures, *line, key)
        return
    normals = noise.normals(members)
    scales = deviations(curvatures, line)
    torch._foreach_copy_(kept, members)
    torch._foreach_addcmul_(members, scales, normals)


def _memory_for(parameter: Tensor, buffers: dict[Tensor, Tensor]) -> Tensor:
    """Memory for a mean; nested draws are refused, so it is in use once at a time."""
    kept = buffers.get(parameter)
    if kept is None or _layout(kept) != _layout(parameter):
        with torch.inference_mode(False):  # to be used again elsewhere
            kept = buffers[parameter] = torch.empty_like(parameter)
    return kept


def _layout(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.device


def deviations(curvatures: list[Tensor], line: tuple[float, float]) -> list[Tensor]:
    """Posterior standard deviations 1 / sqrt(P).

    Args:
        curvatures: s of each parameter.
        line: Slope and offset of P = slope s + offset.

    Returns:
        Deviations in their shapes.
    """
    slope, offset = line
    precisions = torch._foreach_mul(curvatures, slope)
    torch._foreach_add_(precisions, offset)
    torch._foreach_rsqrt_(precisions)
    return list(precisions)
