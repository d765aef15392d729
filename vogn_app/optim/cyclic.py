"""Cyclic schedules: learning rates that restart, and the steps whose weights are kept.

Papers: Huang et al. (2017), "Snapshot Ensembles: Train 1, get M for free",
arXiv:1704.00109, equation 2; Zhang et al. (2020), "Cyclical Stochastic Gradient MCMC
for Bayesian Deep Learning", arXiv:1902.03932, equation 1 and algorithm 1.

Symbols:
    T  num_steps    steps of the whole training
    M  num_cycles   cycles they are divided into
    p               share of its cycle that a step has behind it, in [0, 1)

A step at p has the learning rate lr (1 + cos(pi p)) / 2. Steps are counted from 0.

Departure from the papers: their cycles are ceil(T / M) steps long, and so the last one
is broken off; here the lengths differ by at most one step, and the last ends at T.
"""

import math
from dataclasses import dataclass

from .._checks import check_count
from .groups import AUTO


@dataclass(frozen=True)
class Cycle:
    """A stretch of training: steps `first` to `last` - 1 of it, counted from 0."""

    first: int
    last: int

    def progress(self, step: int) -> float:
        """Share of the cycle before a step, 0 at its first."""
        return (step - self.first) / (self.last - self.first)


def cycles_for(cycles: int | str, num_steps: int, *, most: int, shortest: int) -> int:
    """Number of cycles M that a setting asks for.

    Cycles that are too short leave networks that have learnt little, and that predict
    with the others.

    Args:
        cycles: A number, or "auto".
        num_steps: T.
        most: What "auto" is for long trainings.
        shortest: Steps of a cycle below which "auto" takes fewer of them.

    Returns:
        M >= 1.

    Raises:
        ValueError: If a number is out of range.
    """
    check_count("num_steps", num_steps)
    if cycles == AUTO:
        return max(1, min(most, num_steps // shortest))
    if isinstance(cycles, str):
        raise ValueError(
            f"cycles must be a whole number >= 1 or {AUTO!r}, got {cycles!r}."
        )
    return check_count("cycles", cycles)


def cycles_of(num_steps: int, num_cycles: int) -> tuple[Cycle, ...]:
    """Divide a training into cycles.

    Args:
        num_steps: T >= 1.
        num_cycles: M >= 1; of more cycles than steps the rest is left out.

    Returns:
        Cycles in order, at least one step long, which differ by at most one step.
    """
    count = min(num_cycles, num_steps)
    bounds = [index * num_steps // count for index in range(count + 1)]
    return tuple(map(Cycle, bounds, bounds[1:]))


def cycle_at(step: int, num_steps: int, num_cycles: int) -> Cycle | None:
    """The cycle that a step is of; None after the end of training.

    Args:
        step: Counted from 0.
        num_steps: T.
        num_cycles: M.

    Returns:
        The one of `cycles_of` that has it.
    """
    if step >= num_steps:
        return None
    count = min(num_cycles, num_steps)
    index = ((step + 1) * count - 1) // num_steps  # the largest that begins by then
    return Cycle(index * num_steps // count, (index + 1) * num_steps // count)


def cosine_factor(step: int, num_steps: int, num_cycles: int) -> float:
    """Learning rate of a step as a share of the largest.

    Args:
        step: Counted from 0.
        num_steps: T.
        num_cycles: M.

    Returns:
        1 at the start of a cycle, falling to nearly 0 at its end; 0 after the last.
    """
    cycle = cycle_at(step, num_steps, num_cycles)
    progress = 1.0 if cycle is None else cycle.progress(step)
    return 0.5 * (1 + math.cos(math.pi * progress))


def explores(step: int, num_steps: int, num_cycles: int, exploration: float) -> bool:
    """Whether a step is of the part of its cycle that looks for a mode, without noise.

    Args:
        step: Counted from 0.
        num_steps: T.
        num_cycles: M.
        exploration: Share of a cycle, in [0, 1); its last step is never of it.

    Returns:
        Whether it is; False after the end of training.
    """
    cycle = cycle_at(step, num_steps, num_cycles)
    return cycle is not None and step < _first_sampling(cycle, exploration)


def kept_steps(
    num_steps: int, num_cycles: int, num_kept: int, exploration: float = 0.0
) -> tuple[int, ...]:
    """After how many steps weights are kept.

    Args:
        num_steps: T.
        num_cycles: M.
        num_kept: How many, over all cycles.
        exploration: Share of a cycle that comes before.

    Returns:
        Numbers in [1, T], rising: spread evenly over what follows the exploration,
        the last of a cycle at its end. Fewer where there are fewer such steps.
    """
    cycles = cycles_of(num_steps, num_cycles)
    found = set()
    for index, cycle in enumerate(cycles):
        # The last cycles have one more if they cannot all have as many.
        before, through = (n * num_kept // len(cycles) for n in (index, index + 1))
        start, count = _first_sampling(cycle, exploration), through - before
        length = cycle.last - start
        found |= {start - (-n * length // count) for n in range(1, count + 1)}
    return tuple(sorted(found))


def _first_sampling(cycle: Cycle, exploration: float) -> int:
    """First step of a cycle after its exploration."""
    explored = math.ceil(exploration * (cycle.last - cycle.first))
    return min(cycle.first + explored, cycle.last - 1)
