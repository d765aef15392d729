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
    uses: int = 0  # in forward passes since the last completed backward
    silent_uses: int = 0  # without gradients: checkpoints run these again
    returned: int = 0  # uses whose backward has run
    per_example: Tensor | None = None  # [N, *shape], only with several calls
    total: Tensor | None = None  # sum over examples of squares
    summed: Tensor | None = None  # sum over examples, only while verifying
    num_examples: int = 0
    unfit: bool = False  # the layer did not see examples in the first dimension
    tolerance: float = AGREEMENT[torch.float64]

    def use(self, *, silent: bool = False) -> None:
        """Note a use of the parameter in a forward pass.

        Args:
            silent: Whether it ran without gradients.
        """
        if self.returned:  # other examples
            self.flush()
        if silent:
            self.silent_uses += 1
        else:
            self.uses += 1

    def expected(self, *, recomputed: bool) -> int:
        """Uses whose backward belongs together.

        Args:
            recomputed: Whether the use ran within a backward pass, as under a reentrant
                checkpoint, whose first runs are silent.
        """
        return self.uses + (self.silent_uses if recomputed else 0)

    def shares(self, *, recomputed: bool) -> bool:
        """Whether other uses contribute to the same examples; as `expected`."""
        return self.per_example is not None or self.expected(recomputed=recomputed) > 1

    def add(self, contributions: Tensor) -> None:
        """Add the squares of `[n, *shape]` contributions of new examples."""
        contributions = at_least_float32(contributions)
        self.add_sums(contributions.sum(0), contributions.square().sum(0))
        self.num_examples += contributions.shape[0]

    def add_sums(self, summed: Tensor, squares: Tensor) -> None:
        """Add contributions and squares that were already summed over examples."""
        if self.verify:
            self.summed = (
                summed.clone() if self.summed is None else self.summed + summed
            )
        self.total = squares if self.total is None else self.total.add_(squares)

    def add_repeated(self, contributions: Tensor, *, recomputed: bool = False) -> None:
        """Add what one of several uses contributes to the same examples.

        Args:
            contributions: Of this use [N, *shape].
            recomputed: Whether the use ran within a backward pass.
        """
        self.returned += 1
        if self.per_example is None:
            self.per_example = contributions
        elif self.per_example.shape == contributions.shape:
            self.per_example = self.per_example + contributions
        else:
            self.unfit = True
        if self.returned == self.expected(recomputed=recomputed):
            self.flush()

    def flush(self) -> None:
        """Square what several uses contributed together."""
        if self.per_example is not None:
            self.add(self.per_example)
        self.per_example, self.uses, self.silent_uses, self.returned = None, 0, 0, 0

    def put_rows(
        self, part: "SquareAccumulator", start: int, stop: int, shape: torch.Size
    ) -> None:
        """Take over what an accumulator of some rows of the parameter has.

        Args:
            part: The accumulator of the rows.
            start: First row.
            stop: Row behind the last.
            shape: Shape of the parameter.
        """
        self.unfit = self.unfit or part.unfit
        self.tolerance = max(self.tolerance, part.tolerance)
        if part.total is None:
            return
        if self.total is None:
            self.total, self.num_examples = (
                part.total.new_zeros(shape),
                part.num_examples,
            )
        self.unfit = self.unfit or self.num_examples != part.num_examples
        self.total[start:stop] += part.total
        if part.summed is not None:
            if self.summed is None:
                self.summed = part.summed.new_zeros(shape)
            self.summed[start:stop] += part.summed

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
        within = error <= rounding + self.tolerance**2 * largest
        return bool(within | ~gradient.isfinite().all())

    def proven(self) -> bool:
        """Whether an agreement says something: examples, not all 0, and finite."""
        if self.summed is None or self.num_examples == 0 or self.total is None:
            return False
        return 0 < float(self.total.sum()) < math.inf


def at_least_float32(x: Tensor) -> Tensor:
    """Squares of half precisions overflow or vanish."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
