"""From metric rows to what a curve shows: columns, smoothing, thinning, time left."""

from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
Value = float | None

LARGEST = 1e300  # of a value; integers of a file may be larger than any float
MAX_POINTS = 2000  # a trace; more slows the browser and shows nothing more
_GROWTH = 0.2  # of the values so far, over which a mean averages at most
SMOOTHED_SHARE = 0.04  # of the logged points, over which the bold loss averages


def step_of(row: Row) -> Value:
    """The step of a row."""
    return value(row.get("step"))


def column(
    rows: Sequence[Row], kind: str, key: str, place: Callable[[Row], Value] = step_of
) -> tuple[list[float], list[Value]]:
    """Pick one metric.

    Args:
        rows: Rows of metrics.jsonl.
        kind: "step" or "epoch".
        key: Name of the metric.
        place: Where a row stands on the horizontal axis, None for nowhere.

    Returns:
        The places and the values of the rows that have the metric; a value that was not
        finite is None, which a chart shows as a gap.
    """
    chosen = (row for row in rows if row.get("kind") == kind and key in row)
    placed = ((place(row), value(row[key])) for row in chosen)
    found = [(x, y) for x, y in placed if x is not None]
    return [x for x, _ in found], [y for _, y in found]


def value(given: Any) -> Value:
    """A finite number of a row as a float; None for anything else."""
    # By type, which is fast: a long run has a million values. A bool is another one.
    known = type(given) is float or type(given) is int
    return float(given) if known and abs(given) < LARGEST else None


def unbroken(rows: Sequence[Row]) -> list[Row]:
    """Rows whose `seconds` never go back.

    Trainings count on when they are resumed; those of early versions began at zero
    again, and the time before is added here.
    """
    result: list[Row] = []
    before, newest = 0.0, 0.0
    for row in rows:
        seconds = value(row.get("seconds"))
        if seconds is not None:
            seconds = max(0.0, seconds)
            if before + seconds < newest:
                before = newest
            newest = before + seconds
        moved = seconds is not None and newest != row["seconds"]
        result.append(row | {"seconds": newest} if moved else row)
    return result


def last(values: Sequence[Value]) -> Value:
    """The last value that is a number, None when there is none."""
    return next((each for each in reversed(values) if each is not None), None)


def smoothed(values: Sequence[Value], share: float = SMOOTHED_SHARE) -> list[Value]:
    """Exponential mean over a window that grows from the start; gaps stay.

    It averages over a share of the run, so that a short run is not smeared and a long
    one is not jagged, but never over more than a share of what was before: a loss that
    falls fast at first is followed, not trailed.

    Args:
        values: Values, [N]; None is a gap.
        share: Of the values, over which to average; of one or less nothing changes.

    Returns:
        Means, [N].
    """
    largest = max(1.0, share * len(values))
    mean, number = 0.0, 0
    result: list[Value] = []
    for each in values:
        if each is None:
            result.append(None)
            continue
        window = min(largest, 1.0 + _GROWTH * number)
        mean = (1 - 1 / window) * mean + each / window
        number += 1
        result.append(mean)
    return result


def thinned(
    steps: Sequence[float], values: Sequence[Value], limit: int = MAX_POINTS
) -> tuple[list[float], list[Value]]:
    """Keep at most `limit` points, of each stretch the lowest and the highest.

    Args:
        steps: Positions, [N].
        values: Values, [N]; None is a gap.
        limit: Most points to keep, at least 4.

    Returns:
        The kept positions and values in their order; first and last are kept, and no
        spike is lost.
    """
    size = len(steps)
    if size <= limit:
        return list(steps), list(values)
    stretches = (limit - 2) // 2
    kept = {0, size - 1}
    for i in range(stretches):
        stretch = range(i * size // stretches, (i + 1) * size // stretches)
        known = [k for k in stretch if values[k] is not None] or [stretch[0]]
        kept.add(min(known, key=lambda k: values[k] or 0.0))
        kept.add(max(known, key=lambda k: values[k] or 0.0))
    order = sorted(kept)
    return [steps[k] for k in order], [values[k] for k in order]


def rate(rows: Sequence[Row]) -> Value:
    """Examples a second of the newest row that tells, None when none does."""
    recent = (value(row.get("examples_per_second")) for row in reversed(rows))
    return next((each for each in recent if each is not None), None)


def seconds_left(rows: Sequence[Row], step: int, total_steps: int) -> Value:
    """Estimate the time to the last step from the pace of the newer half of the rows.

    The half covers whole epochs of a long run, so validation is counted in, and leaves
    out the slow first steps.

    Args:
        rows: Rows of metrics.jsonl.
        step: Steps done.
        total_steps: Steps planned.

    Returns:
        Seconds, or None as long as there is too little to go by.
    """
    timed = [
        (row["step"], row["seconds"])
        for row in rows
        if value(row.get("step")) is not None and value(row.get("seconds")) is not None
    ]
    if len(timed) < 2 or total_steps <= 0:
        return None
    first, newest = timed[len(timed) // 2 - 1], timed[-1]
    steps, seconds = newest[0] - first[0], newest[1] - first[1]
    # A resumed run counts its seconds anew.
    if steps <= 0 or seconds <= 0:
        return None
    return float(max(0, total_steps - step) * seconds / steps)
