"""Unit-wise curvature of norm layers: a 2 x 2 block of scale and shift a channel.

With contributions w and b of an example to a channel's weight and bias, the block is

    F = [[sum w w, sum w b], [sum w b, sum b b]]

and a layer with one of the two parameters has blocks of one number. Blocks are held by
entry, [3, *shape] or [1, *shape], so that channels of several layers may be joined.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def unit_moment(contributions: Mapping[str, Tensor]) -> Tensor:
    """Sums over examples of products of contributions.

    Args:
        contributions: "weight", "bias" or both -> [n, *shape].

    Returns:
        Sums of w w, w b and b b [3, *shape]; of one parameter its squares [1, *shape].
    """
    if len(contributions) == 1:
        (only,) = contributions.values()
        return only.square().sum(0, keepdim=True)
    weight, bias = contributions["weight"], contributions["bias"]
    pairs = ((weight, weight), (weight, bias), (bias, bias))
    return torch.stack([(left * right).sum(0) for left, right in pairs])


def unit_inverse(moment: Tensor, damping: float | Tensor) -> Tensor:
    """Entries of (F + damping I)^-1, packed like the moment.

    The determinant is ww bb - wb^2, never negative but for rounding, plus damping times
    (ww + bb + damping), which is positive. It is taken in double precision, where no
    number of single precision makes it overflow.

    Args:
        moment: [3, *shape] or [1, *shape], finite; entries below 1e150.
        damping: > 0.

    Returns:
        Entries of the inverses, of the same shape and type.
    """
    wide = moment.double()
    if len(wide) == 1:
        return torch.reciprocal(wide + damping).to(moment.dtype)
    ww, wb, bb = wide
    determinant = (ww * bb - wb * wb).clamp_(min=0) + damping * (ww + bb + damping)
    adjugate = torch.stack((bb + damping, -wb, ww + damping))
    return adjugate.div_(determinant).to(moment.dtype)


def unit_apply(inverse: Tensor, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gradients times the inverse blocks.

    Args:
        inverse: Entries of the inverses, [3, *shape] or [1, *shape].
        gradients: As many of "weight" and "bias" as the blocks have, each [*shape].

    Returns:
        The products, by the same names.
    """
    if len(inverse) == 1:
        return {name: inverse[0] * g for name, g in gradients.items()}
    ww, wb, bb = inverse
    weight, bias = gradients["weight"], gradients["bias"]
    return {"weight": ww * weight + wb * bias, "bias": wb * weight + bb * bias}
