"""Natural gradients of linear layers from the rows of a batch.

The gradient of a linear map is M = c^T a, with R rows a [R, in] and c [R, out], so

    P = G^-1 M A^-1 = (c G^-1)^T (a A^-1)

Where a batch has fewer rows than the layer has rows and columns, the right side is much
cheaper: R (in^2 + out^2 + in out) products instead of in out (in + out).

It holds if the gradient is that product and nothing else: of one backward pass through
one call of the layer, which nothing but the layer uses the weight of, neither clipped,
accumulated upon nor averaged since. Part of it is seen by `FactorCapture.lone_uses`;
the rest is proved at every step by multiplying both sides with random signs v,

    |M v - c^T (a v)|  <=  tolerance |a| |c|,

which hardly ever misses a difference and costs one pass over the gradient.
The host reads the outcome, so this is for CPUs; elsewhere such layers are small work.
"""

from collections.abc import Collection, Mapping
from typing import final

import torch
from torch import Tensor, nn

from ..curvature.kronecker.blocks import INPUTS, OUTPUTS, Block, KroneckerBlock
from ..curvature.kronecker.calls import Use
from ..curvature.kronecker.eigen import Eigenbasis
from ..curvature.kronecker.inverses import DiagonalInverse, ThinInverse
from ..curvature.kronecker.operators import Operator

# Difference between c^T a and the gradient, over the product of the norms of c and a,
# that rounding explains (1e-9 in single precision). A penalty on the weights must not
# pass for it, so gradients that were formed in half precision never agree.
AGREEMENT = {torch.float64: 1e-12, torch.float32: 1e-6}
FAILURES = 3  # after which a block's weights are taken to be used elsewhere, too
WORTH = 0.7  # share of the products of the other way at which this one is taken


def cost(operator: Operator, size: int) -> int:
    """Products that applying an inverse takes for each row of `size` numbers."""
    if isinstance(operator, DiagonalInverse):
        return size
    if isinstance(operator, ThinInverse):
        return 2 * int(operator.whitened.shape[-2]) * size
    return size * size


def is_cheaper(num_rows: int, block: Block, operators: Mapping[str, Operator]) -> bool:
    """Whether a block is to be preconditioned by the rows of a batch.

    Args:
        num_rows: R.
        block: The block.
        operators: Its inverses.

    Returns:
        Whether that takes clearly fewer products than with its gradient.
    """
    _, out, inputs = block.matrix_shape
    left, right = cost(operators[OUTPUTS], out), cost(operators[INPUTS], inputs)
    by_rows = num_rows * (left + right + out * inputs)
    return by_rows < WORTH * (inputs * left + out * right)


@final
class RowProducts:
    """Remembers for which blocks the rows of a batch are the better way.

    Args:
        blocks: All blocks by name.
    """

    def __init__(self, blocks: Mapping[str, Block]) -> None:
        self.blocks = {
            name: block
            for name, block in blocks.items()
            if isinstance(block, KroneckerBlock) and block.rule.rows is not None
        }
        self._num_rows: dict[str, int] = {}  # of the last call
        self._failures: dict[str, int] = {}  # in a row
        self._vectors: dict[int, Tensor] = {}  # of random signs, by size

    def state_dict(self) -> dict[str, dict[str, int]]:
        """What decides which way is taken: the ways round differently."""
        return {"num_rows": dict(self._num_rows), "failures": dict(self._failures)}

    def load_state_dict(self, state: Mapping[str, Mapping[str, int]]) -> None:
        """Go on where the memory stood that `state_dict` gave."""
        self._num_rows = dict(state["num_rows"])
        self._failures = dict(state["failures"])

    def candidates(
        self, operators: Mapping[str, Mapping[str, Operator] | None]
    ) -> list[str]:
        """Blocks whose calls are worth keeping in the next step.

        Args:
            operators: Present inverses by block; None where there are none yet.

        Returns:
            Their names.
        """
        return [
            name
            for name, block in self.blocks.items()
            if self._failures.get(name, 0) < FAILURES
            and self._may_pay(name, block, operators.get(name))
        ]

    def _may_pay(
        self, name: str, block: Block, operators: Mapping[str, Operator] | None
    ) -> bool:
        known = self._num_rows.get(name)
        return known is None or operators is None or is_cheaper(known, block, operators)

    def rows(self, uses: Mapping[str, Use]) -> dict[str, tuple[Tensor, Tensor]]:
        """Rows a and c of kept calls, by block."""
        result = {}
        for name, use in uses.items():
            block = self.blocks[name]
            assert block.rule.rows is not None
            self._num_rows[name] = use.c.shape[:-1].numel()
            result[name] = block.rule.rows(block.module, use.x, use.c, block.wanted)
        return result

    def proved(
        self,
        rows: Mapping[str, tuple[Tensor, Tensor]],
        gradients: Mapping[str, Tensor],
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Rows whose product is the gradient.

        A block that fails thrice in a row is not tried again.

        Args:
            rows: a and c by block.
            gradients: By parameter name.

        Returns:
            Those of the blocks for which it is.
        """
        flags = [
            self._differs(self.blocks[name], *pair, gradients)
            for name, pair in rows.items()
        ]
        differs = torch.stack(flags).tolist() if flags else []
        for name, bad in zip(rows, differs, strict=True):
            self._failures[name] = self._failures.get(name, 0) + 1 if bad else 0
        return {name: rows[name] for name in rows if not self._failures[name]}

    def _differs(
        self,
        block: KroneckerBlock,
        a: Tensor,
        c: Tensor,
        gradients: Mapping[str, Tensor],
    ) -> Tensor:
        """Whether c^T a is not the gradient; not so of NaN."""
        signs = self._signs(a)
        product = torch.zeros_like(c[0])
        for local, part in block.parts.items():
            gradient = part.of(gradients[part.name]).to(a.dtype)
            if local == "bias":
                product += gradient.flatten() * signs[-1]
            else:
                flat = gradient.flatten(1)
                product += flat @ signs[: flat.shape[1]]
        like = gradients[next(iter(block.parts.values())).name]
        tolerance = AGREEMENT.get(like.dtype, 0.0)
        error = torch.linalg.vector_norm(c.T @ (a @ signs) - product)
        differs: Tensor = error > tolerance * a.norm() * c.norm()
        return differs

    def _signs(self, like: Tensor) -> Tensor:
        """Random signs, the same for each size."""
        size = like.shape[-1]
        if size not in self._vectors:
            generator = torch.Generator().manual_seed(size)
            bits = torch.randint(2, (size,), generator=generator)
            self._vectors[size] = (2 * bits - 1).to(like)
        return self._vectors[size].to(like)


def row_product(
    a: Tensor, c: Tensor, operators: Mapping[str, Operator], wanted: Collection[str]
) -> dict[str, Tensor]:
    """Natural gradients of a linear layer from the rows of a batch.

    Args:
        a: Rows of the input [R, in], with a 1 for the bias at the end.
        c: Rows of the output gradient [R, out].
        operators: Inverses of the block.
        wanted: Which of "weight" and "bias" the block has.

    Returns:
        Them by name, contiguous: products of a whole number of vectors are faster.
    """
    left, right = operators[OUTPUTS], operators[INPUTS]
    assert not isinstance(left, Eigenbasis)
    assert not isinstance(right, Eigenbasis)
    columns, rows = left.apply(c[None])[0].T, right.apply(a[None])[0]
    result: dict[str, Tensor] = {}
    if "bias" in wanted:
        result["bias"] = columns @ rows[:, -1]
        rows = rows[:, :-1]
    if "weight" in wanted:
        result["weight"] = columns @ rows.contiguous()
    return result


def is_compiled(model: nn.Module) -> bool:
    """Whether hooks on its layers would keep compiled code from running."""
    return any(
        hasattr(module, "_orig_mod") or module._compiled_call_impl is not None
        for module in model.modules()
    )
