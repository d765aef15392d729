"""Who computes what: owners of the work, and which ranks share their results.

Nothing here communicates. All ranks call it with the same numbers, and so agree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._checks import check_count, check_number, check_whole

NAMED_FRACTIONS = ("communication", "memory")


def inverse_cost(sizes: Iterable[int], blocks: int = 1) -> float:
    """Cost of inverting square matrices: the cubes of their sizes.

    Args:
        sizes: Rows of each matrix, e.g. of a layer's two factors.
        blocks: How often each occurs.

    Returns:
        The cost, in multiples of what inverting a 1 x 1 matrix takes.
    """
    sizes = [check_whole("sizes", size, minimum=0) for size in sizes]
    return float(check_count("blocks", blocks) * sum(size**3 for size in sizes))


def assign_owners(costs: Sequence[float], num_ranks: int) -> list[int]:
    """Spread work over the ranks: the longest first, each to the least loaded rank.

    The largest load is below 4/3 of the best possible one. Ties go to the item that
    comes first, and to the lowest rank.

    Args:
        costs: Cost of each item, at least 0; the same on all ranks.
        num_ranks: Number of ranks, at least 1.

    Returns:
        The owner of each item.
    """
    loads = [0.0] * check_count("num_ranks", num_ranks)
    costs = [check_number("costs", cost, minimum=0) for cost in costs]
    owners = [0] * len(costs)
    for item in sorted(range(len(costs)), key=lambda item: -costs[item]):
        owners[item] = loads.index(min(loads))
        loads[owners[item]] += costs[item]
    return owners


def fraction_named(value: str | float, num_ranks: int) -> float:
    """Return the fraction of gradient workers that a name stands for.

    Args:
        value: "communication" for 1: every rank holds every inverse, and no gradients
            are sent; "memory" for 1 / num_ranks: only the owner does, and sends
            gradients; or the fraction itself.
        num_ranks: Number of ranks.

    Returns:
        The fraction, one that `Grid` takes.

    Raises:
        ValueError: If the value is neither a name nor a fitting fraction.
    """
    if isinstance(value, str) and value not in NAMED_FRACTIONS:
        raise ValueError(
            f"distribution must be one of {', '.join(NAMED_FRACTIONS)}, or a number, "
            f"got {value!r}."
        )
    named = {"communication": 1.0, "memory": 1 / check_count("num_ranks", num_ranks)}
    fraction = named[value] if isinstance(value, str) else value
    _check_fraction("distribution", fraction, num_ranks)
    return Grid(num_ranks, fraction).fraction


def _check_fraction(name: str, fraction: float, num_ranks: int) -> None:
    check_number(name, fraction, minimum=0, maximum=1, open_minimum=True)
    workers = fraction * num_ranks
    whole = abs(workers - round(workers)) < 1e-6  # 1/3 is no float
    if not whole or round(workers) < 1 or num_ranks % round(workers):
        raise ValueError(
            f"{name} must give a whole number of workers that divides the {num_ranks} "
            f"ranks, got {fraction!r}."
        )


@dataclass(frozen=True)
class Grid:
    """Ranks in rows and columns: which of them precondition an item's gradient.

    The gradient workers of an item are the column of its owner: they get its inverses.
    They pass the preconditioned gradient on to the other ranks of their rows, which
    are neighbours (rank = row x num_columns + column): gradients are sent in every
    step, inverses seldom, so that gradients should stay within a machine.

    Args:
        num_ranks: Number of ranks.
        fraction: Gradient workers of each item over all ranks, in (0, 1]; with a
            whole number of workers that divides the number of ranks. At 1 every rank
            holds every inverse; at 1 / num_ranks only the owner does.
    """

    num_ranks: int
    fraction: float = 1.0

    def __post_init__(self) -> None:
        size = check_count("num_ranks", self.num_ranks)
        _check_fraction("fraction", self.fraction, size)

    @property
    def num_workers(self) -> int:
        """Gradient workers of each item, which is the number of rows."""
        return round(self.fraction * self.num_ranks)

    @property
    def num_columns(self) -> int:
        """Ranks that share an item's gradient workers, one worker to a row."""
        return self.num_ranks // self.num_workers

    def column_of(self, rank: int) -> int:
        """Column of a rank: which items it preconditions, those owned there."""
        if not 0 <= rank < self.num_ranks:
            raise ValueError(f"rank must be in [0, {self.num_ranks}), got {rank!r}.")
        return rank % self.num_columns

    def workers_of(self, owner: int) -> tuple[int, ...]:
        """Ranks that hold the inverses of an owner's items, in rising order."""
        return tuple(range(self.column_of(owner), self.num_ranks, self.num_columns))

    def worker_groups(self) -> list[tuple[int, ...]]:
        """The columns: ranks that share inverses. Every rank is in one."""
        return [self.workers_of(column) for column in range(self.num_columns)]

    def receiver_groups(self) -> list[tuple[int, ...]]:
        """The rows: ranks that share gradients. Every rank is in one."""
        size = self.num_columns
        starts = range(0, self.num_ranks, size)
        return [tuple(range(start, start + size)) for start in starts]
