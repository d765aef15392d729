"""Dimensions along which a kernel slides, and what products of its windows cost.

The kernel moves by single steps over an input with zeros around it. A layer has it at
some positions only; those that lack and at which a tap still meets the input see a rim
of it, a problem of one dimension less.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from math import prod
from typing import NamedTuple

# What each costs, in multiplications of a matrix product that take as long (measured on
# one CPU core): a multiplication of a symmetric product; an element of a window that is
# copied, or of a product of spectra; one that is transformed; the calls of each way.
SYMMETRIC, COPIED, TRANSFORMED, WINDOW_CALLS, LAG_CALLS = 0.6, 64, 200, 2e6, 5e6


class Lacking(NamedTuple):
    """A position that a layer lacks: place of the first tap, taps on the input."""

    start: int
    taps: range


@dataclass(frozen=True)
class Axis:
    """One dimension of an input, and the kernel along it.

    Args:
        places: Length of the input, without padding.
        taps: Taps of the kernel.
        apart: Step between taps.
        starts: Places of the first tap, at all positions of the kernel.
    """

    places: int
    taps: int
    apart: int
    starts: range

    @property
    def reach(self) -> int:
        """Places from the first tap to the last."""
        return self.apart * (self.taps - 1)

    @property
    def lags(self) -> range:
        """From tap to tap, in steps between taps."""
        return range(1 - self.taps, self.taps)

    @property
    def period(self) -> int:
        """A length to repeat the input after, so that no lag meets its copy."""
        return _fast_length(self.places + self.reach)

    def everywhere(self) -> "Axis":
        """The same with every position in which a tap may meet the input."""
        return replace(self, starts=range(-self.reach, self.places))

    def lacking(self) -> Iterator[list[Lacking]]:
        """Positions that lack, together where as many taps meet the input."""
        starts = (at for at in self.everywhere().starts if at not in self.starts)
        found = [Lacking(start, self._meeting(start)) for start in starts]
        found.sort(key=_number_of_taps)
        for number, alike in groupby(found, _number_of_taps):
            if number:
                yield list(alike)

    def _meeting(self, start: int) -> range:
        first = max(0, -(start // self.apart))
        last = min(self.taps - 1, (self.places - 1 - start) // self.apart)
        return range(first, max(first, last + 1))


@dataclass(frozen=True)
class Problem:
    """Products of windows that are to be summed.

    Args:
        examples: Number of examples, N.
        blocks: Blocks of channels that do not see each other, B.
        channels: Channels of a block, C.
        axes: Dimensions of the places.
    """

    examples: int
    blocks: int
    channels: int
    axes: tuple[Axis, ...]

    def rims(self) -> Iterator[tuple[int, list[Lacking], "Problem"]]:
        """What all positions see beyond the problem's own, in disjoint parts.

        Yields:
            A dimension; positions along it that lack, with as many taps each; and the
            problem that they leave, with the positions as blocks and taps as channels.
        """
        for at, axis in enumerate(self.axes):
            after = (other.everywhere() for other in self.axes[at + 1 :])
            others = (*self.axes[:at], *after)
            for lacking in axis.lacking():
                blocks = self.blocks * len(lacking)
                channels = self.channels * len(lacking[0].taps)
                yield at, lacking, Problem(self.examples, blocks, channels, others)


@lru_cache(maxsize=1024)
def prefers_windows(problem: Problem) -> bool:
    """Whether products of windows that are formed cost less than those of lags."""
    return not problem.axes or _cost_of_windows(problem) <= _cost_of_lags(problem)


def _cost_of_windows(problem: Problem) -> float:
    rows = problem.examples * prod(len(axis.starts) for axis in problem.axes)
    size = problem.channels * prod(axis.taps for axis in problem.axes)
    return WINDOW_CALLS + problem.blocks * rows * size * (SYMMETRIC * size + COPIED)


def _cost_of_lags(problem: Problem) -> float:
    frequencies = prod(axis.period for axis in problem.axes)
    lags = prod(len(axis.lags) for axis in problem.axes)
    transforms = problem.examples * frequencies * TRANSFORMED
    each = 2 * problem.examples + lags + 2 * COPIED  # written, then read
    pairs = problem.channels * frequencies * each
    taps = problem.channels * prod(axis.taps for axis in problem.axes) ** 2 * COPIED
    own = problem.blocks * problem.channels * (transforms + pairs + taps)
    return LAG_CALLS + own + sum(_cost(rim) for *_, rim in problem.rims())


def _cost(problem: Problem) -> float:
    way = _cost_of_windows if prefers_windows(problem) else _cost_of_lags
    return way(problem)


def _number_of_taps(lacking: Lacking) -> int:
    return len(lacking.taps)


def _fast_length(least: int) -> int:
    """The next length that Fourier transforms are fast for: of small factors, or even.

    Odd lengths take about as long as those a tenth longer (measured in two dimensions).
    """
    lengths = filter(_has_small_factors, range(least, 2 * least + 1))
    return min(lengths, key=lambda length: length * (1.1 if length % 2 else 1))


def _has_small_factors(number: int) -> bool:
    for factor in (2, 3, 5, 7):
        while number % factor == 0:
            number //= factor
    return number == 1
