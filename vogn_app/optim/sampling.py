"""Draws of the weights, which leave no trace."""

from collections.abc import Callable

import torch
from torch import Tensor

from .. import kernels
from .noise import NoiseSource

# Parameters of one group, their curvatures, and the line that gives the precision.
GroupDraw = tuple[list[Tensor], list[Tensor], tuple[float, float]]


@torch.no_grad()
def perturb(groups: list[GroupDraw], noise: NoiseSource) -> Callable[[], None]:
    """Add noise of the posterior to parameters in place.

    Args:
        groups: For each group its parameters mu, curvatures s, and slope and offset of
            the precision P = slope s + offset.
        noise: Where the noise comes from.

    Returns:
        What puts the mean back, bit for bit.
    """
    parameters: list[Tensor] = []
    means: list[Tensor] = []
    for members, curvatures, line in groups:
        kept = [torch.empty_like(parameter) for parameter in members]
        if kernels.supports(*members, *curvatures):
            key = noise.key()
            kernels.sample_(members, kept, curvatures, *line, key)
        else:
            torch._foreach_copy_(kept, members)
            normals = noise.normals(members)
            torch._foreach_addcmul_(members, deviations(curvatures, line), normals)
        parameters += members
        means += kept

    @torch.no_grad()
    def restore() -> None:
        if parameters:
            torch._foreach_copy_(parameters, means)

    return restore


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
