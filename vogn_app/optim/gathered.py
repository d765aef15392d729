"""What the blocks since the last step have gathered: averages over their examples."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

LossScale = float | Tensor | torch.amp.GradScaler


@dataclass
class Block:
    """Statistics of one block, each a mean over its examples.

    Args:
        gradients: g of each parameter, None without one.
        squares: h of each parameter, None without one; or what an optimizer takes in
            their place.
        num_examples: Examples in the block.
        power: How often squares carry what the user's loss does: twice, or once if they
            are products with the gradient, or not at all if they are of each example's
            own loss: Fisher curvature.
    """

    gradients: list[Tensor | None]
    squares: list[Tensor | None]
    num_examples: int
    power: int = 2

    def per_example(self, loss_reduction: str) -> None:
        """Turn what backward left and sums of squares into means over examples.

        Args:
            loss_reduction: "mean" or "sum", what the loss does over the examples.
        """
        mean, num = loss_reduction == "mean", self.num_examples
        factor = float(num) ** (self.power - 1) if mean else 1 / num
        for squares in self.squares:
            if squares is not None and factor != 1:
                squares.mul_(factor)
        if not mean:
            for gradient in self.gradients:
                if gradient is not None:
                    gradient.div_(num)

    def unscale_squares(self, loss_scale: LossScale) -> None:
        """Undo the scale of the loss, which squares carry `power` times."""
        loss_scale = scale_of(loss_scale)
        for squares in self.squares:
            if squares is not None:
                divide(squares, loss_scale, self.power)


def scale_of(loss_scale: LossScale) -> float | Tensor:
    """What a loss was multiplied by; 1 for a scaler that was not used yet."""
    if not isinstance(loss_scale, torch.amp.GradScaler):
        return loss_scale
    used = loss_scale._get_scale_async() if loss_scale.is_enabled() else None
    return 1.0 if used is None else used


def divide(squares: Tensor, scale: float | Tensor, times: int) -> None:
    """Divide in place so many times: a power of the scale might overflow."""
    for _ in range(times):
        squares.div_(scale)


@dataclass
class Gathered:
    """Averages over all blocks since the last step."""

    squares: dict[nn.Parameter, Tensor] = field(default_factory=dict)
    with_gradient: set[nn.Parameter] = field(default_factory=set)
    num_examples: int = 0
    told: bool = False  # whether the scale of the loss is out of the squares
    power: int = 2  # how often they carry it otherwise
    # Whether the blocks' losses add up to one mean, as losses of micro-batches do that
    # were divided by their number, instead of each being a mean of its own.
    together: bool = False

    def add(
        self,
        parameters: list[nn.Parameter],
        before: list[Tensor | None],
        block: Block,
        *,
        told: bool = False,
        together: bool = False,
    ) -> None:
        """Put a block in: average by numbers of examples; `.grad` becomes the average.

        Args:
            parameters: All parameters.
            before: Their `.grad` before the block.
            block: The block's means.
            told: Whether the scale of the loss is out of its squares.
            together: Whether the loss is a part of one mean over all blocks' examples,
                so that gradients add up.

        Raises:
            RuntimeError: If it is out of only some blocks' squares, only some are
                parts, or an earlier block's gradients are gone.
        """
        fresh = self.num_examples == 0
        self.check_kept(dict(zip(parameters, before, strict=True)))
        self._check_alike(fresh, told, together)
        self.told, self.together, self.power = told, together, block.power
        past, new = self.num_examples, block.num_examples
        self.num_examples = past + new
        of_gradients = block_weights(past, new, together=together)
        of_squares = block_weights(past, new, together=together, power=block.power)
        for i, parameter in enumerate(parameters):
            squares = self.squares.get(parameter)
            summed = _combined(squares, block.squares[i], of_squares)
            if summed is not None:
                self.squares[parameter] = summed
            # A gradient from before the first block is left over from the last step.
            left = None if fresh else before[i]
            parameter.grad = _combined(left, block.gradients[i], of_gradients)
            if parameter.grad is not None:
                self.with_gradient.add(parameter)

    def _check_alike(self, fresh: bool, told: bool, together: bool) -> None:
        if not fresh and told != self.told:
            raise RuntimeError(
                "loss_scale must be given to all blocks before a step or to none, got "
                "some with and some without."
            )
        if not fresh and together != self.together:
            raise RuntimeError(
                "blocks before a step must all be automatic or all be explicit, got "
                "both."
            )

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
                divide(squares, scale, self.power)


def block_weights(
    past: int, new: int, *, together: bool, power: int = 1
) -> tuple[float, float]:
    """Weights with which what was gathered and a new block go together.

    Args:
        past: Examples gathered so far.
        new: Examples of the block.
        together: Whether the losses are parts of one mean over all examples. Then what
            a block has of squares lacks a factor that only the number of all examples
            gives.
        power: How often the statistic carries a factor of the loss: once as a gradient,
            twice as its square, or not at all, which is a mean whatever the losses add
            up to.

    Returns:
        Weights of past and new.
    """
    share = new / (past + new)
    if not together:
        return 1 - share, share
    return (1 - share) ** (1 - power) if past else 1.0, share ** (1 - power)


def _combined(
    old: Tensor | None, new: Tensor | None, weights: tuple[float, float]
) -> Tensor | None:
    """Weighted sum, with None for zero; the old one's memory is used again."""
    of_old, of_new = weights
    if old is None:
        return new if new is None or of_new == 1 else new * of_new
    old.mul_(of_old) if of_old != 1 else old
    return old if new is None else old.add_(new, alpha=of_new)
