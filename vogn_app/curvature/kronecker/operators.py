"""From statistics to what multiplies gradients: damping, inversion, application.

Damping of a block with two sides (factored Tikhonov, Martens and Grosse 2015, section
6.3): with pi^2 the ratio of the mean eigenvalues of A and G,

    (A + pi sqrt(damping) I)^-1    and    (G + sqrt(damping) / pi I)^-1

and of any other block `damping` itself.
"""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from .blocks import INPUTS, OUTPUTS, UNIT, Block
from .calls import Key
from .inverses import Inverse, Request, damped_inverses, trace_norm_pi
from .moments import Moment
from .unit import unit_apply, unit_inverse

Means = Mapping[Key, Moment]


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


def dampings_of(block: Block, means: Means, damping: float) -> dict[str, Tensor]:
    """What is added to the diagonal of each of a block's statistics.

    Args:
        block: The block.
        means: Its statistics, among others.
        damping: Of the whole block, > 0.

    Returns:
        Numbers [B] by side.
    """
    first = means[block.name, block.sides[0]].value
    whole = torch.as_tensor(damping, dtype=first.dtype, device=first.device)
    if block.sides != (INPUTS, OUTPUTS):
        return {side: whole.reshape(1) for side in block.sides}
    pi = trace_norm_pi(means[block.name, INPUTS], means[block.name, OUTPUTS])
    root = whole.sqrt()
    return {INPUTS: root * pi, OUTPUTS: root / pi}


def invert(
    keys: Sequence[Key], means: Means, dampings: Mapping[Key, Tensor]
) -> dict[Key, Inverse | None]:
    """Damped inverses of statistics, equal shapes together.

    Args:
        keys: Which statistics.
        means: Them.
        dampings: What is added to their diagonals.

    Returns:
        An inverse a statistic; None where even double precision fails.
    """
    units = [key for key in keys if key[1] == UNIT]
    result: dict[Key, Inverse | None] = {
        key: UnitInverse(unit_inverse(means[key].value, dampings[key]))
        for key in units
    }
    others = [key for key in keys if key[1] != UNIT]
    requests = [Request(means[key], dampings[key]) for key in others]
    return result | dict(zip(others, damped_inverses(requests), strict=True))


def apply(block: Block, matrix: Tensor, inverses: Mapping[str, Inverse]) -> Tensor:
    """A block's matrix times its inverses, from both sides where it has two.

    Args:
        block: The block.
        matrix: [B, out, in].
        inverses: By side.

    Returns:
        The product, of the same shape.
    """
    right = inverses[block.sides[0]].apply(matrix)
    if block.sides != (INPUTS, OUTPUTS):
        return right
    return inverses[OUTPUTS].apply(right.mT.contiguous()).mT
