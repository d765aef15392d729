"""How many bytes the ranks send each other.

What is counted is what must be sent, whatever the algorithm: a tree, a ring. Of s bytes
among p ranks, all ranks together send

    (p - 1) s      to give one rank's s to all, or each rank's share of s
    (p - 1) s      to sum s for one rank, or each share of s for its owner
    2 (p - 1) s    to sum s for everybody, as rings do it
"""

from dataclasses import dataclass, replace
from typing import Self

from .assignment import Grid


@dataclass(frozen=True)
class Volume:
    """Bytes that a rank sends in a step, the mean over ranks, by what they carry.

    Args:
        factors: Curvature factors, summed for their owners or for all ranks.
        inverses: Inverses, from owners to the other gradient workers.
        gradients: Gradients that are summed, and preconditioned ones passed on.
        weights: Updated weights, from their owners to all.
    """

    factors: float = 0.0
    inverses: float = 0.0
    gradients: float = 0.0
    weights: float = 0.0

    @property
    def total(self) -> float:
        """All together."""
        return self.factors + self.inverses + self.gradients + self.weights

    def per_step(self, factor_interval: float, inverse_interval: float) -> Self:
        """Give the mean over steps.

        Args:
            factor_interval: Mean number of steps between new factors.
            inverse_interval: Likewise of inverses.

        Returns:
            The mean; gradients and weights are sent in every step.
        """
        return replace(
            self,
            factors=self.factors / factor_interval,
            inverses=self.inverses / inverse_interval,
        )


def volume_plain(gradients: int, num_ranks: int) -> Volume:
    """Bytes of plain data parallelism, where all ranks sum gradients.

    Args:
        gradients: Bytes of the model's gradients.
        num_ranks: Number of ranks.

    Returns:
        2 (p - 1) / p times the gradients.
    """
    return Volume(gradients=2 * (num_ranks - 1) / num_ranks * gradients)


def volume_of_grid(factors: int, inverses: int, gradients: int, grid: Grid) -> Volume:
    """Bytes of a step in which the ranks share the work on gradients (KAISA).

    Args:
        factors: Bytes of all factors as they are sent.
        inverses: Bytes of all inverses as they are sent.
        gradients: Bytes of the gradients.
        grid: Who preconditions what; with m workers to each item.

    Returns:
        2 (p - 1) / p of the factors, which all ranks get the sums of, (m - 1) / p of
        the inverses, and of the gradients 2 (p - 1) / p to sum them and (p - m) / p to
        pass on preconditioned ones.
    """
    size, workers = grid.num_ranks, grid.num_workers
    return replace(
        volume_plain(gradients, size),
        factors=2 * (size - 1) / size * factors,
        inverses=(workers - 1) / size * inverses,
        gradients=(2 * (size - 1) + size - workers) / size * gradients,
    )


def volume_of_owners(
    factors: int, gradients: int, weights: int, num_ranks: int
) -> Volume:
    """Bytes of a step in which owners update their weights themselves (SP-NGD).

    Args:
        factors: Bytes of all factors as they are sent.
        gradients: Bytes of the gradients.
        weights: Bytes of the weights.
        num_ranks: Number of ranks.

    Returns:
        (p - 1) / p of each: for gradients and weights together as much as plain data
        parallelism needs.
    """
    share = (num_ranks - 1) / num_ranks
    return Volume(
        factors=share * factors, gradients=share * gradients, weights=share * weights
    )
