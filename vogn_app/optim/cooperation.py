"""What a process does itself and what it gets from others, seen by the optimizers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import Gathered
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.operators import Operator

Means = Callable[[int, float, Mapping[Key, int]], dict[Key, Moment]]


class Cooperation(ABC):
    """How the processes of a run share the work."""

    @abstractmethod
    def inverts(self, name: str) -> bool:
        """Whether this process inverts the statistics of a block."""

    @abstractmethod
    def works_on(self, name: str) -> bool:
        """Whether this process preconditions the gradient of a block."""

    @abstractmethod
    def statistics(
        self, due: Sequence[Key], gathered: Gathered, means: Means
    ) -> tuple[list[Key], dict[Key, Moment]]:
        """Means over the examples of all processes.

        Args:
            due: Statistics that the step refreshes, on all processes.
            gathered: What this process has seen.
            means: Turns that into what it adds to the means, from the number of all
                examples, the weight of its own contributions in the gradient, and the
                number of all rows of each statistic.

        Returns:
            Statistics that some process has seen, and the means this process gets.
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
        self,
        names: Sequence[str],
        own: Mapping[str, Tensor],
        shapes: Mapping[str, torch.Size],
    ) -> dict[str, Tensor]:
        """Preconditioned matrices of blocks, made by any process.

        Args:
            names: The blocks.
            own: Matrices of those that this process works on.
            shapes: Of all of them.
        """


@final
class Alone(Cooperation):
    """One process does everything."""

    def inverts(self, name: str) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def works_on(self, name: str) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def statistics(
        self,
        due: Sequence[Key],  # noqa: ARG002
        gathered: Gathered,
        means: Means,
    ) -> tuple[list[Key], dict[Key, Moment]]:
        """This process's own."""
        counts = {key: moment.count for key, moment in gathered.moments.items()}
        new = means(gathered.num_examples, 1.0, counts)
        return list(new), new

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
        shapes: Mapping[str, torch.Size],  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """This process's own."""
        return dict(own)
