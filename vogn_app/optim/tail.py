"""The tail of a training at a constant learning rate, in which weights are collected.

The schedule is that of the experiments of Maddox et al. (2019), arXiv:1902.02476.
"""

from .._checks import check_count
from .groups import AUTO

FALL, BOTTOM = 0.5, 0.9  # of the way to the tail: between them the rate falls


def falling(step: int, tail: int, end: float) -> float:
    """Share of the learning rate on the way to a constant tail.

    Args:
        step: Steps done.
        tail: Steps before the tail.
        end: Share in the tail.

    Returns:
        1 up to half of the way, then a line that reaches `end` at nine tenths of it.
    """
    if step >= BOTTOM * tail:
        return end
    way = max(0.0, (step / tail - FALL) / (BOTTOM - FALL))
    return 1 - (1 - end) * way


def checked_interval(interval: int | str, tail: int, wanted: int) -> int:
    """Steps from one collection to the next.

    Args:
        interval: A number, or "auto" for `wanted` to twice as many collections.
        tail: Steps of the tail, >= 2.
        wanted: Number of collections.

    Returns:
        The number.

    Raises:
        ValueError: If it is none, or leaves fewer than two collections.
    """
    if interval == AUTO:
        return max(1, tail // wanted)
    if not isinstance(interval, int):
        raise ValueError(
            f"interval must be a whole number >= 1 or {AUTO!r}, got {interval!r}."
        )
    if check_count("interval", interval) >= tail:
        raise ValueError(
            f"interval must be < {tail}, the number of steps after start, so that two "
            f"weights are collected, got {interval}."
        )
    return interval
