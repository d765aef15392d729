"""What the blocks since the last step have gathered: averages over their examples."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..distributed import sum_over_ranks

LossScale = float | Tensor | torch.amp.GradScaler


@dataclass
class Block:
    """Statistics of one block, each a mean over its examples.

    Args:
        gradients: g of each parameter, None without one.
        squares: h of each parameter, None without one.
        num_examples: Examples in the block.
    """

    gradients: list[Tensor | None]
    squares: list[Tensor | None]
    num_examples: int

    def per_example(self, loss_reduction: str) -> None:
        """Turn what backward left and sums of squares into means over examples.

        Args:
            loss_reduction: "mean" or "sum", what the loss does over the examples.
        """
        mean, num = loss_reduction == "mean", self.num_examples
        for squares in self.squares:
            if squares is not None:
                squares.mul_(num if mean else 1 / num)
        if not mean:
            for gradient in self.gradients:
                if gradient is not None:
                    gradient.div_(num)

    def unscale_squares(self, loss_scale: LossScale) -> None:
        """Undo the scale of the loss, which squares carry twice."""
        if isinstance(loss_scale, torch.amp.GradScaler):
            used = loss_scale._get_scale_async() if loss_scale.is_enabled() else None
            loss_scale = 1.0 if used is None else used
        for squares in self.squares:
            if squares is not None:
                squares.div_(loss_scale).div_(loss_scale)

    def over_ranks(self, like: Sequence[Tensor]) -> None:
        """Average over the processes, weighted by their numbers of examples.

        Args:
            like: The parameters; a process without a gradient contributes zeros.
        """
        values = [*self.gradients, *self.squares]
        present = like[0].new_tensor([v is not None for v in values], dtype=torch.int64)
        num_examples = like[0].new_tensor([self.num_examples], dtype=torch.int64)
        absent = [torch.zeros_like(p) for p in like]
        absent += [torch.zeros_like(p, dtype=squares_dtype(p.dtype)) for p in like]
        sums = [
            zeros if value is None else value.mul_(self.num_examples)
            for value, zeros in zip(values, absent, strict=True)
        ]
        sum_over_ranks([*sums, present, num_examples])
        self.num_examples = int(num_examples)
        torch._foreach_div_(sums, max(1, self.num_examples))
        kept = [
            value if there else None
            for value, there in zip(sums, present.tolist(), strict=True)
        ]
        self.gradients, self.squares = kept[: len(like)], kept[len(like) :]


def squares_dtype(dtype: torch.dtype) -> torch.dtype:
    """Type of the squares of a parameter of some type: at least float32."""
    return torch.promote_types(dtype, torch.float32)


@dataclass
class Gathered:
    """Averages over all blocks since the last step."""

    squares: dict[nn.Parameter, Tensor] = field(default_factory=dict)
    with_gradient: set[nn.Parameter] = field(default_factory=set)
    num_examples: int = 0
    told: bool = False  # whether the scale of the loss is out of the squares

    def add(
        self,
        parameters: list[nn.Parameter],
        before: list[Tensor | None],
        block: Block,
        *,
        told: bool = False,
    ) -> None:
        """Average a block in, by numbers of examples; `.grad` becomes the average.

        Args:
            parameters: All parameters.
            before: Their `.grad` before the block.
            block: The block's means.
            told: Whether the scale of the loss is out of its squares.

        Raises:
            RuntimeError: If it is out of only some blocks' squares, or an earlier
                block's gradients are gone.
        """
        fresh = self.num_examples == 0
        self.check_kept(dict(zip(parameters, before, strict=True)))
        if not fresh and told != self.told:
            raise RuntimeError(
                "loss_scale must be given to all blocks before a step or to none, got "
                "some with and some without."
            )
        self.told = told
        self.num_examples += block.num_examples
        share = block.num_examples / self.num_examples
        for i, parameter in enumerate(parameters):
            averaged = _lerp(self.squares.get(parameter), block.squares[i], share)
            if averaged is not None:
                self.squares[parameter] = averaged
            # A gradient from before the first block is left over from the last step.
            past = None if fresh else before[i]
            parameter.grad = _lerp(past, block.gradients[i], share)
            if parameter.grad is not None:
                self.with_gradient.add(parameter)

    def check_kept(self, gradients: dict[nn.Parameter, Tensor | None]) -> None:
        """Raise RuntimeError if a gradient that was gathered is gone."""
        if any(gradients[parameter] is None for parameter in self.with_gradient):
            raise RuntimeError(
                "gradients must be kept between sampled_params(train=True) and "
                "step, got parameters whose .grad was removed."
            )

    def needs_loss_scale(self) -> bool:
        """Whether squares still carry the scale of the loss."""
        return bool(self.squares) and not self.told

    def unscale(self, parameters: list[nn.Parameter], scale: Tensor) -> None:
        """Undo the scale of the loss.

        Args:
            parameters: All parameters.
            scale: What the loss was multiplied by.
        """
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.div_(scale)
        if self.needs_loss_scale():
            for squares in self.squares.values():
                squares.div_(scale).div_(scale)


def _lerp(old: Tensor | None, new: Tensor | None, share: float) -> Tensor | None:
    """(1 - share) old + share new, with None for zero."""
    if old is None:
        return new if new is None or share == 1 else new * share
    if new is None:
        return old.mul_(1 - share)
    return old.lerp_(new, share)
