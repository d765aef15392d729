"""From statistics to what multiplies gradients: damping, inversion, application.

Damping of a block with two sides (factored Tikhonov, Martens and Grosse 2015, section
6.3): with pi^2 the ratio of the mean eigenvalues of A and G,

    (A + pi sqrt(damping) I)^-1    and    (G + sqrt(damping) / pi I)^-1

by Cholesky decomposition. By eigendecomposition the damping is added to the products
of the eigenvalues of A and G instead, which inverts A x G + damping I exactly, or to
scales that are measured in the eigenbasis (EKFAC). Any other block gets the damping
itself.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, final

import torch
from torch import Tensor

from .blocks import INPUTS, OUTPUTS, UNIT, Block
from .calls import Key
from .damped import Request
from .eigen import Eigenbasis, eigen_precondition, eigenbases
from .inverses import Inverse, damped_inverses, trace_norm_pi
from .moments import Moment
from .unit import unit_apply, unit_inverse

Means = Mapping[Key, Moment]
Inversion = Literal["cholesky", "eigen", "ekfac"]


Operator = Inverse | Eigenbasis


@final
class UnitInverse:
    """Inverse 2x2 blocks of a norm layer, packed as `unit_inverse` gives them."""

    def __init__(self, entries: Tensor) -> None:
        self.entries = entries

    def apply(self, rows: Tensor) -> Tensor:
        """Scale's gradient and then shift's, [1, 1, D], times the inverse."""
        names = ("weight", "bias") if len(self.entries) == 3 else ("weight",)
        parts = dict(zip(names, rows.view(len(names), -1), strict=True))
        result = unit_apply(self.entries, parts)
        return torch.cat([result[name] for name in names]).view(rows.shape)


def has_two_sides(block: Block) -> bool:
    """Whether a block's curvature is a product of two factors."""
    return block.sides == (INPUTS, OUTPUTS)


def dampings_of(
    block: Block, means: Means, damping: float, inversion: Inversion
) -> dict[str, Tensor]:
    """What is added to the diagonal of each of a block's statistics.

    Args:
        block: The block.
        means: Its statistics, among others.
        damping: Of the whole block, > 0.
        inversion: How the block is inverted.

    Returns:
        Numbers [B] by side.
    """
    first = means[block.name, block.sides[0]].value
    whole = torch.as_tensor(damping, dtype=first.dtype, device=first.device)
    if inversion != "cholesky" or not has_two_sides(block):
        return {side: whole.reshape(1) for side in block.sides}
    pi = trace_norm_pi(means[block.name, INPUTS], means[block.name, OUTPUTS])
    root = whole.sqrt()
    return {INPUTS: root * pi, OUTPUTS: root / pi}


def invert(
    keys: Sequence[Key],
    means: Means,
    dampings: Mapping[Key, Tensor],
    inversion: Inversion,
) -> dict[Key, Operator | None]:
    """Damped inverses of statistics, equal shapes together.

    Args:
        keys: Which statistics.
        means: Them.
        dampings: What is added to their diagonals.
        inversion: How those of blocks with two sides are inverted.

    Returns:
        An operator a statistic; None where even double precision fails.
    """
    factors = [key for key in keys if key[1] in {INPUTS, OUTPUTS}]
    turned = factors if inversion != "cholesky" else []
    units = [key for key in keys if key[1] == UNIT]
    done = {*turned, *units}
    others = [key for key in keys if key not in done]
    result: dict[Key, Operator | None] = {
        key: UnitInverse(unit_inverse(means[key].value, dampings[key])) for key in units
    }
    requests = [Request(means[key], dampings[key]) for key in others]
    result |= zip(others, damped_inverses(requests), strict=True)
    bases = eigenbases([means[key] for key in turned])
    return result | dict(zip(turned, bases, strict=True))


def apply(
    block: Block,
    matrix: Tensor,
    operators: Mapping[str, Operator],
    damping: Tensor,
    scales: Tensor | None = None,
) -> Tensor:
    """A block's matrix times its inverses, from both sides where it has two.

    Args:
        block: The block.
        matrix: [B, out, in].
        operators: By side.
        damping: Of the whole block, for eigenbases.
        scales: Of EKFAC [B, out, in]; None for the products of eigenvalues.

    Returns:
        The product, of the same shape.
    """
    first = operators[block.sides[0]]
    if isinstance(first, Eigenbasis):
        other = operators[OUTPUTS]
        assert isinstance(other, Eigenbasis)
        return eigen_precondition(matrix, other, first, damping, scales)
    right = first.apply(matrix)
    if not has_two_sides(block):
        return right
    other = operators[OUTPUTS]
    assert not isinstance(other, Eigenbasis)
    return other.apply(right.mT.contiguous()).mT
