"""Dampings of one inversion from those of another.

What was inverted is the same for all inversions, and so is the damping of a block. How
that is shared by the two sides differs (`curvature.kronecker.operators`), but follows:
where factors are damped apart, by pi sqrt(damping) and sqrt(damping) / pi, the product
is the damping.
"""

from collections.abc import Mapping

from torch import Tensor

from ..curvature.kronecker.blocks import Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.operators import (
    Inversion,
    Means,
    dampings_of,
    has_two_sides,
)


def converted(
    blocks: Mapping[str, Block],
    means: Means,
    dampings: Mapping[Key, Tensor],
    before: Inversion,
    after: Inversion,
) -> dict[Key, Tensor]:
    """What another inversion adds to the diagonals of the same statistics.

    Args:
        blocks: By name.
        means: Statistics that were inverted.
        dampings: What was added to their diagonals.
        before: How they were inverted.
        after: How they are to be.

    Returns:
        By block and side, of the blocks with statistics of all sides.
    """
    result: dict[Key, Tensor] = {}
    for name, block in blocks.items():
        keys = [(name, side) for side in block.sides]
        if all(key in means for key in keys):
            own = [dampings[key].flatten()[0].item() for key in keys]
            apart = before == "cholesky" and has_two_sides(block)
            damping = own[0] * own[1] if apart else own[0]
            each = dampings_of(block, means, damping, after)
            result |= {(name, side): value for side, value in each.items()}
    return result
