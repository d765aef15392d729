"""What a process does itself and what it gets from others, seen by the optimizers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import final

from torch import Tensor

from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import FactorCapture, Gathered
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.operators import Operator
from ..distributed import Weighing


@dataclass(frozen=True)
class Exchanged:
    """What all processes have seen in a step.

    Args:
        gradients: Of the mean over all examples, those this process gets; None if
            they were not exchanged.
        keys: Statistics that some process has seen.
        sums: Their sums over the processes, those this process gets.
        counts: How many rows were summed.
        num_examples: Examples behind them.
        weight: What makes contributions in the sums part of the gradient.
        own_weight: The same, of those that this process has gathered.
    """

    gradients: dict[str, Tensor] | None
    keys: Sequence[Key]
    sums: Mapping[Key, Moment]
    counts: Mapping[Key, int]
    num_examples: int
    weight: float
    own_weight: float


class Cooperation(ABC):
    """How the processes of a run share the work."""

    @abstractmethod
    def totals(self, numbers: Sequence[int]) -> list[int]:
        """Sums of whole numbers over the processes; the host may wait."""

    @abstractmethod
    def inverts(self, name: str) -> bool:
        """Whether this process inverts the statistics of a block."""

    @abstractmethod
    def works_on(self, name: str) -> bool:
        """Whether this process preconditions the gradient of a block."""

    @abstractmethod
    def sending(
        self, due: Sequence[Key], capture: FactorCapture, weighing: Weighing
    ) -> AbstractContextManager[None]:
        """Begin to exchange what the backward passes within the context finish.

        Args:
            due: Statistics that the step refreshes, on all processes.
            capture: Gathers them.
            weighing: How values become sums over examples.
        """

    @abstractmethod
    def launch(self, gathered: Gathered) -> None:
        """Begin to exchange what is left, so that other exchanges may follow."""

    @abstractmethod
    def drop(self) -> None:
        """End a step that all processes give up."""

    @abstractmethod
    def exchange(
        self, due: Sequence[Key], gathered: Gathered, *, gradients: bool
    ) -> Exchanged:
        """End the exchange of a step.

        Args:
            due: Statistics that it refreshes, on all processes.
            gathered: What this process has seen.
            gradients: Whether gradients are exchanged too; they have been otherwise.
        """

    @abstractmethod
    def share_inverses(
        self, keys: Sequence[Key], own: Mapping[Key, Operator | None]
    ) -> dict[Key, Operator | None]:
        """Inverses made by any process, None where that failed.

        Args:
            keys: What was inverted, on any process.
            own: By this one.
        """

    @abstractmethod
    def summed_scales(
        self, own: Mapping[str, Tensor], names: Sequence[str]
    ) -> dict[str, Tensor]:
        """Sums over the processes of tensors of blocks' matrices' shapes.

        Args:
            own: What this process adds, by block; missing ones are zero.
            names: The blocks, the same on all processes.
        """

    @abstractmethod
    def share_products(
        self, names: Sequence[str], own: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Preconditioned matrices of blocks, made by any process.

        Args:
            names: The blocks.
            own: Matrices of those that this process works on.
        """


@final
class Alone(Cooperation):
    """One process does everything."""

    def totals(self, numbers: Sequence[int]) -> list[int]:
        """This process's own."""
        return list(numbers)

    def inverts(self, name: str) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def works_on(self, name: str) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def sending(
        self,
        due: Sequence[Key],  # noqa: ARG002
        capture: FactorCapture,  # noqa: ARG002
        weighing: Weighing,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Nobody is there."""
        return nullcontext()

    def launch(self, gathered: Gathered) -> None:
        """Nothing is exchanged."""

    def drop(self) -> None:
        """Nothing is exchanged."""

    def exchange(
        self,
        due: Sequence[Key],  # noqa: ARG002
        gathered: Gathered,
        *,
        gradients: bool,  # noqa: ARG002
    ) -> Exchanged:
        """This process's own."""
        own = gathered.moments
        counts = {key: moment.count for key, moment in own.items()}
        num = gathered.num_examples
        return Exchanged(None, list(own), own, counts, num, 1.0, 1.0)

    def share_inverses(
        self,
        keys: Sequence[Key],  # noqa: ARG002
        own: Mapping[Key, Operator | None],
    ) -> dict[Key, Operator | None]:
        """This process's own."""
        return dict(own)

    def summed_scales(
        self,
        own: Mapping[str, Tensor],
        names: Sequence[str],  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """This process's own."""
        return dict(own)

    def share_products(
        self,
        names: Sequence[str],  # noqa: ARG002
        own: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """This process's own."""
        return dict(own)
