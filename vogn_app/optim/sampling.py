"""Draws of the weights, which leave no trace."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from .. import kernels
from .noise import NoiseSource

# Parameters of one group, their curvatures, and the line that gives the precision.
GroupDraw = tuple[list[Tensor], list[Tensor], tuple[float, float]]


@torch.no_grad()
def perturb(
    groups: list[GroupDraw],
    noise: NoiseSource,
    buffers: dict[Tensor, Tensor] | None = None,
    means: dict[Tensor, Tensor] | None = None,
) -> Callable[[], None]:
    """Put a draw from the posterior into parameters.

    Args:
        groups: For each group its parameters mu, curvatures s, and slope and offset of
            the precision P = slope s + offset.
        noise: Where the noise comes from.
        buffers: Memory, by parameter, to be used again: to ask the system for it anew
            costs as much as to fill it.
        means: Gets, by parameter, where its mean is until it is put back.

    Returns:
        What puts the mean back, bit for bit.
    """
    buffers = {} if buffers is None else buffers
    means = {} if means is None else means
    undo: list[Callable[[], None]] = []

    @torch.no_grad()
    def restore() -> None:
        means.clear()
        while undo:
            undo.pop()()

    try:
        for members, curvatures, line in groups:
            memory = [_memory_for(parameter, buffers) for parameter in members]
            native = kernels.supports(*members, *memory, *curvatures)
            draw = _exchange if native else _add_noise
            kept = [p.data for p in members] if native else memory
            undo.append(draw(members, memory, curvatures, line, noise))
            means.update(zip(members, kept, strict=True))
    except BaseException:
        restore()
        raise
    return restore


def _exchange(
    members: list[Tensor],
    samples: list[Tensor],
    curvatures: list[Tensor],
    line: tuple[float, float],
    noise: NoiseSource,
) -> Callable[[], None]:
    """Let the parameters be samples in other memory; their own keeps the mean.

    Nothing has to be copied, there or back, which counts where memory is the limit.
    """
    means = [parameter.data for parameter in members]
    kernels.sample_(samples, means, curvatures, *line, noise.key())
    _point(members, samples)
    return partial(_point, members, means)


def _point(members: list[Tensor], memory: list[Tensor]) -> None:
    for parameter, data in zip(members, memory, strict=True):
        parameter.data = data
    increment_version(members)  # a graph that saved the others must not go on


def _add_noise(
    members: list[Tensor],
    means: list[Tensor],
    curvatures: list[Tensor],
    line: tuple[float, float],
    noise: NoiseSource,
) -> Callable[[], None]:
    """Keep the means in other memory and add noise to the parameters in place.

    On a GPU others may hold addresses: recurrent layers of cuDNN do.
    """
    normals = noise.normals(members)
    scales = deviations(curvatures, line)
    torch._foreach_copy_(means, members)
    torch._foreach_addcmul_(members, scales, normals)

    def restore() -> None:
        torch._foreach_copy_(members, means)

    return restore


@torch.no_grad()
def displace(
    shifts: Mapping[Tensor, Tensor], buffers: dict[Tensor, Tensor] | None = None
) -> Callable[[], None]:
    """Add a draw's deviation from the mean to parameters, in place.

    Args:
        shifts: By parameter, in its shape; perhaps in a wider type.
        buffers: Memory by parameter, as for `perturb`.

    Returns:
        What puts the mean back, bit for bit.
    """
    buffers = {} if buffers is None else buffers
    members = list(shifts)
    if not members:  # torch refuses empty lists
        return lambda: None
    means = [_memory_for(parameter, buffers) for parameter in members]
    torch._foreach_copy_(means, members)

    @torch.no_grad()
    def restore() -> None:
        torch._foreach_copy_(members, means)

    try:
        torch._foreach_add_(members, list(shifts.values()))
    except BaseException:
        restore()
        raise
    return restore


@torch.no_grad()
def noise_products(
    parameters: list[nn.Parameter], means: list[Tensor], buffers: dict[Tensor, Tensor]
) -> list[Tensor]:
    """Noise times gradient, (w - mu) g, while parameters hold a draw.

    Args:
        parameters: w, with gradients.
        means: mu of each.
        buffers: Memory by parameter, as for `perturb`.

    Returns:
        Products in the parameters' shapes, at least in float32.
    """
    if not parameters:  # torch refuses empty lists
        return []
    gradients = [p.grad for p in parameters if p.grad is not None]
    wide = [torch.promote_types(p.dtype, torch.float32) for p in parameters]
    products = [
        _memory_for(p, buffers, dtype)
        for p, dtype in zip(parameters, wide, strict=True)
    ]
    samples: list[Tensor] = list(parameters)
    if kernels.supports(*products, *samples, *means, *gradients):
        kernels.product_(products, samples, means, gradients)
        return products
    torch._foreach_copy_(products, samples)
    torch._foreach_sub_(products, means)
    torch._foreach_mul_(products, gradients)
    return products


def _memory_for(
    parameter: Tensor, buffers: dict[Tensor, Tensor], dtype: torch.dtype | None = None
) -> Tensor:
    """Memory like a parameter's; nested draws are refused, so it has one use a time."""
    kept, dtype = buffers.get(parameter), dtype or parameter.dtype
    if kept is None or _layout(kept) != (
        *_layout(parameter)[:2],
        dtype,
        parameter.device,
    ):
        with torch.inference_mode(False):  # to be used again elsewhere
            kept = buffers[parameter] = torch.empty_like(parameter, dtype=dtype)
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
