"""Several runs as one line: means and deviations over seeds where points meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ui.components.series import MAX_POINTS, Value

Array = NDArray[np.float64]
Curve = tuple[Sequence[float], Sequence[Value]]  # places and values
GRID = 400  # points of a line through interpolated values
_DIGITS = 9  # places that differ beyond are the same


@dataclass(frozen=True, eq=False)
class Band:
    """A line with how far the runs are from it.

    Args:
        x: Places, ascending, [P].
        mean: Mean over the runs that have a value there; NaN of none, [P].
        deviation: Standard deviation (divisor: count - 1), NaN below two runs, [P].
        count: How many runs have a value there, [P].
    """

    x: Array
    mean: Array
    deviation: Array
    count: NDArray[np.intp]

    @property
    def low(self) -> Array:
        """One deviation below the mean; the mean where there is none, [P]."""
        return self.mean - np.nan_to_num(self.deviation)

    @property
    def high(self) -> Array:
        """One deviation above the mean, [P]."""
        return self.mean + np.nan_to_num(self.deviation)

    def thinned(self, limit: int = MAX_POINTS) -> "Band":
        """At most so many points, evenly chosen, the last one among them."""
        if len(self.x) <= limit:
            return self
        kept = np.linspace(0, len(self.x) - 1, limit).round().astype(np.intp)
        return Band(
            self.x[kept], self.mean[kept], self.deviation[kept], self.count[kept]
        )


def by_place(curves: Sequence[Curve]) -> Band:
    """Average runs that were logged at the same places, such as steps or epochs.

    Args:
        curves: Places and values of each run; None is a gap.

    Returns:
        The mean at each place that any of them has; `count` says of how many.
    """
    columns = [_clean(curve) for curve in curves]
    x = np.unique(np.concatenate([places for places, _ in columns] or [np.empty(0)]))
    values = np.full((len(columns), len(x)), np.nan)
    for row, (places, known) in zip(values, columns, strict=True):
        row[np.searchsorted(x, places)] = known
    return _band(x, values)


def interpolated(curves: Sequence[Curve], points: int = GRID) -> Band:
    """Average runs whose places differ, such as times, along straight lines.

    Args:
        curves: Places and values of each run; a gap is passed over.
        points: Of the line.

    Returns:
        The mean over the stretch that all runs have, none where there is no such.
    """
    columns = [_clean(curve) for curve in curves]
    columns = [(x[~np.isnan(y)], y[~np.isnan(y)]) for x, y in columns]
    columns = [column for column in columns if len(column[0])]
    start = max((x[0] for x, _ in columns), default=0.0)
    end = min((x[-1] for x, _ in columns), default=-1.0)
    grid = np.linspace(start, end, points) if end > start else np.empty(0)
    rows = [np.interp(grid, *column) for column in columns]
    return _band(grid, np.array(rows).reshape(len(rows), len(grid)))


def stacked(x: ArrayLike, values: ArrayLike) -> Band:
    """Average runs that have all places in common.

    Args:
        x: Places, [P].
        values: Values of each run, NaN for a gap, [R, P].
    """
    return _band(np.asarray(x, np.float64), np.asarray(values, np.float64))


def _clean(curve: Curve) -> tuple[Array, Array]:
    """Places in order, each once with its last value; gaps are NaN."""
    places: Array = np.asarray(curve[0], np.float64).round(_DIGITS)
    values = np.array([np.nan if v is None else v for v in curve[1]], np.float64)
    # The first of the reversed is the last.
    _, first = np.unique(places[::-1], return_index=True)
    return places[::-1][first], values[::-1][first]


def _band(x: Array, values: Array) -> Band:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    mean = np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    squares = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    return Band(x, mean, np.where(count > 1, deviation, np.nan), count)
