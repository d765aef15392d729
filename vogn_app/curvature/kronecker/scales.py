"""EKFAC's scales: second moments of contributions in the eigenbases of a block.

Paper: George, Laurent, Bouthillier, Ballas, Vincent (2018), "Fast Approximate Natural
Gradient Descent in a Kronecker-factored Eigenbasis", arXiv:1806.03884, section 4.
Contributions of several uses of a block's parameters are squared apart.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from ..rules import contribution_chunks, rule_for
from .blocks import INPUTS, OUTPUTS, KroneckerBlock
from .calls import Use
from .eigen import Eigenbasis, ekfac_scales, ekfac_scales_of_rows

Bases = Mapping[str, Eigenbasis]  # by side


def scale_sums(
    uses: Iterable[Use],
    blocks: Mapping[str, KroneckerBlock],
    bases: Mapping[str, Bases],
) -> dict[str, Tensor]:
    """Sums over examples of squared contributions in the eigenbases.

    Args:
        uses: Calls of the blocks' layers.
        blocks: By name.
        bases: By block; blocks without are left out.

    Returns:
        Sums [B, out, in] by block.
    """
    result: dict[str, Tensor] = {}
    for use in uses:
        if use.block in bases:
            new = _of_use(use, blocks[use.block], bases[use.block])
            before = result.get(use.block)
            result[use.block] = new if before is None else before + new
    return result


def _of_use(use: Use, block: KroneckerBlock, bases: Bases) -> Tensor:
    outputs, inputs = bases[OUTPUTS], bases[INPUTS]
    if block.rule.rows is not None and use.c.ndim == 2:
        a, c = block.rule.rows(block.module, use.x, use.c, block.wanted)
        return ekfac_scales_of_rows(c, a, outputs, inputs)
    rule = rule_for(block.module)
    assert rule is not None
    chunks = contribution_chunks(rule, block.module, use.x, use.c)
    total = None
    for chunk in chunks:
        wanted = {local: chunk[local] for local in block.wanted}
        new = ekfac_scales(block.to_matrix(wanted), outputs, inputs)
        total = new if total is None else total + new
    assert total is not None
    return total
