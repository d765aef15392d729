"""How far a step may go: bounds on what it changes of the outputs' distribution.

A step lr u changes it by lr^2 <u, F u> / 2, its Kullback-Leibler divergence to second
order. For a natural gradient P = F^-1 g that is lr^2 <P, g> / 2. For what momentum
makes of several, with nu the factor that keeps a step within its bound and
q = <v, F v>, F symmetric,

    v <- nu (momentum v + P)
    q <- nu^2 (momentum^2 q + 2 momentum <v, g> + <P, g>)

needs no product with F. Nowhere does the host wait for the device.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


def clip(
    natural: Tensors,
    gradients: Tensors,
    rates: Mapping[str, float | Tensor],
    bound: float,
) -> None:
    """Scale natural gradients down, in place, until sum lr^2 <P, g> is within a bound.

    Args:
        natural: P by parameter name.
        gradients: g by the same names.
        rates: Learning rates by name.
        bound: > 0.
    """
    if not natural:
        return
    products = [
        inner(natural[name], gradient) * rates[name] ** 2
        for name, gradient in gradients.items()
    ]
    change = torch.stack(products).sum()
    factor = (bound / change.abs()).sqrt().clamp(max=1.0)
    torch._foreach_mul_(list(natural.values()), factor)


def inner(left: Tensor, right: Tensor) -> Tensor:
    """The inner product of two tensors of a shape, in single precision at least."""
    dtype = torch.promote_types(left.dtype, torch.float32)
    return torch.dot(left.flatten().to(dtype), right.flatten().to(dtype))


def velocity_change(momentum: float, products: Tensor, old: Tensor) -> Tensor:
    """<v, F v> of v <- momentum v + P.

    Args:
        momentum: Weight of the past.
        products: <P, g> and <v, g>, with F P = g.
        old: <v, F v> before.

    Returns:
        The new one, >= 0.
    """
    own, mixed = products
    change: Tensor = momentum**2 * old + 2 * momentum * mixed + own
    return change.clamp(min=0)


def step_change(group: Mapping[str, Any], products: Tensor, old: Tensor) -> Tensor:
    """<u, F u> of the step u that a group takes; arguments as `velocity_change`.

    With nesterov u = P + momentum (momentum v + P), else the new v.
    """
    momentum = group["momentum"]
    if not group["nesterov"]:
        return velocity_change(momentum, products, old)
    past, present = momentum**2, 1 + momentum
    own, mixed = products
    change: Tensor = past**2 * old + 2 * past * present * mixed + present**2 * own
    return change.clamp(min=0)
