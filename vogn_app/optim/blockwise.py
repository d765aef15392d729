"""A preconditioner for passes in blocks, each of which has a loss of its own.

The blocks before a step are draws of the weights or micro-batches. Their statistics
are averaged by numbers of examples, as their gradients are. So those of a block are
turned into statistics of each example's own loss when it ends, as far as the size of
the block tells the way; what needs the number of all examples, or the scale that only
`GradScaler.step` tells, waits for the step.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

from torch import Tensor, nn

from ..curvature.kronecker.blocks import INPUTS, OUTPUTS
from ..curvature.kronecker.calls import Key, Moments, add_all
from ..curvature.kronecker.capture import Gathered
from ..curvature.kronecker.damped import Request
from ..curvature.kronecker.eigen import Eigenbasis
from .cooperation import Exchanged
from .preconditioner import KroneckerPreconditioner


def rescaled(moments: Moments, factor: float | Tensor) -> Moments:
    """Moments with those of contributions, which all but inputs are, times a factor."""
    return {
        key: moment if key[1] == INPUTS else moment.scaled(factor)
        for key, moment in moments.items()
    }


@final
class BlockSums:
    """What the blocks since the last step have said, added up."""

    def __init__(self) -> None:
        self.moments: Moments = {}
        self.num_examples = 0
        self.plain = True  # whether the sums are of examples' own losses, unscaled
        self._parts_of = 0  # examples over which losses are one mean together

    def add(
        self,
        block: Gathered,
        *,
        mean: bool,
        together: bool,
        scale: float | Tensor | None,
    ) -> None:
        """Put a block in.

        Args:
            block: What it has gathered.
            mean: Whether its loss is a mean over examples.
            together: Whether that is over the examples of all blocks.
            scale: What the loss was multiplied by; None if nobody said.
        """
        moments, num = block.moments, block.num_examples
        if not block.plain:
            factor: float | Tensor = num**2 if mean and not together else 1.0
            factor = factor if scale is None else factor / scale / scale
            moments = rescaled(moments, factor)
            self.plain = self.plain and scale is not None
            self._parts_of += num if mean and together else 0
        add_all(self.moments, moments)
        self.num_examples += num

    def unscale(self, scale: Tensor) -> None:
        """Undo the scale of the loss, where no block has told it."""
        if not self.plain:
            self.moments = rescaled(self.moments, 1 / scale / scale)
            self.plain = True

    def gathered(self) -> Gathered:
        """The sums, of each example's own loss."""
        parts = self._parts_of
        moments = rescaled(self.moments, parts**2) if parts else self.moments
        return Gathered(moments, self.num_examples, True)


class BlockPreconditioner(KroneckerPreconditioner):
    """A preconditioner that looks at blocks alone.

    Args:
        model: The network.
        settings: As `KroneckerPreconditioner`. All ranks have all statistics.
    """

    def __init__(self, model: nn.Module, **settings: Any) -> None:
        self._sums = BlockSums()
        self._last: Gathered | None = None
        self._given: dict[str, Tensor] = {}
        super().__init__(model, **settings)

    @contextmanager
    def block(self, number: int) -> Iterator[None]:
        """Watch the passes of the context.

        Args:
            number: Of the draw of the weights; that of labels goes with it.
        """
        self._last = None
        super()._arm()
        self._noise.begin_at(number)
        try:
            yield
            self._last = self._capture.gather()
        finally:
            self._capture.disarm()

    def keep(self, *, together: bool, scale: float | Tensor | None) -> None:
        """Put the block that has ended to those before it; see `BlockSums.add`."""
        assert self._last is not None
        mean = self.loss_reduction == "mean"
        self._sums.add(self._last, mean=mean, together=together, scale=scale)

    @property
    def needs_scale(self) -> bool:
        """Whether sums may carry the scale of a loss."""
        return bool(self._sums.moments) and not self._sums.plain

    def unscale(self, scale: Tensor) -> None:
        """Undo the scale of the loss in what was gathered."""
        self._sums.unscale(scale)

    def skip(self) -> None:
        """Drop what was gathered."""
        self._sums = BlockSums()

    def natural(
        self, gradients: Mapping[str, Tensor], rates: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """Take the blocks' statistics, and return natural gradients.

        Args:
            gradients: Of the mean over the examples of all ranks, by name.
            rates: Learning rates that `kl_clip` looks at.

        Returns:
            By the same names.
        """
        self._given = dict(gradients)
        try:
            return self.natural_gradients(rates=rates)
        finally:
            self._given = {}
            self.skip()

    @property
    def behind_inverses(self) -> dict[Key, Request]:
        """The statistics of which the present inverses were made, with dampings."""
        factors = self._state.factors
        return {
            key: Request(moment, factors.dampings[key])
            for key, moment in factors.inverted.items()
        }

    def eigenbases(self, name: str) -> tuple[Eigenbasis, Eigenbasis] | None:
        """Of a block's inputs and outputs; None where it is inverted otherwise."""
        inverses = self._state.inverses
        found = [inverses.get((name, side)) for side in (INPUTS, OUTPUTS)]
        bases = [each for each in found if isinstance(each, Eigenbasis)]
        return (bases[0], bases[1]) if len(bases) == 2 else None

    def _gathered(self) -> Gathered:
        return self._sums.gathered()

    def _mean_gradients(
        self,
        gathered: Gathered,  # noqa: ARG002
        found: Exchanged,  # noqa: ARG002
    ) -> dict[str, Tensor]:
        return self._given

    @property
    def _sends_gradients(self) -> bool:
        """Gradients come averaged."""
        return False

    def _begin_sending(self) -> None:
        """Blocks have a backward pass each."""

    def _kept(self) -> list[str]:
        """No calls: the prior and other blocks have a share in the gradients."""
        return []

    def _arm(self) -> None:
        """Watch nothing: blocks do."""
        self._capture.disarm()
