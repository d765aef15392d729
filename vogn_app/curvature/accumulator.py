"""The squares of one parameter, as the calls of its layers bring them in."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

# Relative difference between summed contributions and autograd's gradient that rounding
# explains; a missing use of a parameter is off by order one.
AGREEMENT = {torch.float64: 1e-6, torch.float32: 1e-3}
REDUCED_AGREEMENT = 5e-2  # half precisions


@dataclass
class SquareAccumulator:
    """What is known of one parameter within a recording."""

    verify: bool = True  # whether to keep what `agrees_with` needs
    outstanding: int = 0  # forward calls since the last completed backward
    returned: int = 0  # those whose backward has run
    per_example: Tensor | None = None  # [N, *shape], only with several calls
    total: Tensor | None = None  # sum over examples of squares
    summed: Tensor | None = None  # sum over examples, only while verifying
    num_examples: int = 0
    unfit: bool = False  # the layer did not see examples in the first dimension
    tolerance: float = AGREEMENT[torch.float64]

    def add(self, contributions: Tensor) -> None:
        """Add the squares of `[n, *shape]` contributions of new examples."""
        contributions = at_least_float32(contributions)
        if self.verify:
            summed = contributions.sum(0)
            self.summed = summed if self.summed is None else self.summed + summed
        self.add_squares(contributions.square().sum(0))

    def add_squares(self, squares: Tensor) -> None:
        """Add squares that were already summed over examples."""
        self.total = squares if self.total is None else self.total.add_(squares)

    def flush(self) -> None:
        """Square what several calls contributed together."""
        if self.per_example is not None:
            self.add(self.per_example)
            self.num_examples += self.per_example.shape[0]
        self.per_example, self.outstanding, self.returned = None, 0, 0

    def computed_in(self, dtypes: Iterable[torch.dtype]) -> None:
        """Note types in which a part of the gradient was computed."""
        tolerances = [AGREEMENT.get(dtype, REDUCED_AGREEMENT) for dtype in dtypes]
        self.tolerance = max(self.tolerance, *tolerances)

    def scale(self, num_examples: int) -> Tensor:
        """The size of which rounding is a fraction, a scalar.

        |sum_n g_n| <= sqrt(N sum_n |g_n|^2), also where the contributions cancel, as
        those of a bias before BatchNorm do.
        """
        assert self.total is not None
        return (self.total.sum() * max(1, num_examples)).sqrt()

    def agrees_with(
        self, gradient: Tensor, num_examples: int, largest: float = 0.0
    ) -> bool:
        """Whether the summed contributions are the gradient, up to rounding.

        Nothing can be said against contributions to a gradient that is not finite.

        Args:
            gradient: What autograd left in `.grad`.
            num_examples: Examples in the recording.
            largest: Greatest `scale` of any parameter: a gradient that vanishes for
                each example, as that of an attention's key bias, is its rounding alone.
        """
        assert self.summed is not None
        self.computed_in({gradient.dtype})
        error = (self.summed - gradient).norm()
        rounding = self.tolerance * self.scale(num_examples)
        return not bool(error > rounding + self.tolerance**2 * largest)

    def proven(self) -> bool:
        """Whether an agreement says something: examples, not all 0, and finite."""
        if self.summed is None or self.num_examples == 0 or self.total is None:
            return False
        return 0 < float(self.total.sum()) < math.inf


def at_least_float32(x: Tensor) -> Tensor:
    """Squares of half precisions overflow or vanish."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
