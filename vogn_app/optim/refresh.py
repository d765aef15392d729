"""When statistics and inverses are refreshed.

Fixed: every so many steps, or as a function of the step says.

Adaptive (Osawa et al. 2020, section 4.3): each statistic X has an interval of its own.
At a refresh it is compared with the last two refreshed ones, X_1 and X_2:

    X not near X_1                     D <- max(1, floor(D_1 / 2))
    X near X_1 but not near X_2        D <- D_1
    X near both                        D <- D_1 + D_2

where X is near Y if ||X - Y|| < alpha ||Y|| in the Frobenius norm, D is the number of
steps to the next refresh, and D_1, D_2 are the last two. A statistic that does not
change is so refreshed after 1, 1, 2, 3, 5, 8, ... steps.

What is due but takes no part in a step, as a head that another step trains, stays due.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

from .._checks import check_count, check_number
from ..curvature.kronecker.calls import Key

Interval = int | Callable[[int], int]
# Steps in a row at which what takes no part is due. Each costs the hook of an unused
# layer, its place in what ranks send, and the step of a compiled model its graphs. A
# prime, so that the rests do not keep time with layers that are used in turn.
PATIENCE = 101


def interval_at(name: str, interval: Interval, step: int) -> int:
    """The interval at a step; ValueError names an argument that gives no count."""
    return check_count(name, interval(step) if callable(interval) else interval)


def next_interval(last: int, before: int, near: bool, near_before: bool) -> int:
    """The adaptive rule.

    Args:
        last: Interval before this refresh, D_1 >= 1.
        before: The one before that, D_2 >= 1.
        near: Whether the statistic is near the last one.
        near_before: Whether it is near the one before that.

    Returns:
        Steps to the next refresh, >= 1.
    """
    if not near:
        return max(1, last // 2)
    return last + before if near_before else last


class RefreshPlan(ABC):
    """Says which statistics a step refreshes."""

    def __init__(self) -> None:
        self._next: dict[Key, int] = {}  # step of the next refresh
        self._missed: dict[Key, int] = {}  # steps in a row at which it took no part

    def due(self, keys: Iterable[Key], step: int) -> set[Key]:
        """Statistics to refresh at a step; those that never were are."""
        return {key for key in keys if self._next.get(key, 0) <= step}

    def refreshed(self, key: Key, step: int, near: bool, near_before: bool) -> None:
        """Note a refresh.

        Args:
            key: The statistic.
            step: Number of the step.
            near: Whether it is near the last one, where that has to do with it.
            near_before: Whether it is near the one before that.
        """
        self._missed.pop(key, None)
        self._next[key] = step + self._wait(key, step, near, near_before)

    @abstractmethod
    def _wait(self, key: Key, step: int, near: bool, near_before: bool) -> int:
        """Steps from a refresh to the next, of the arguments of `refreshed`."""

    def missed(self, keys: Iterable[Key], step: int) -> None:
        """Note what was due at a step but took no part: it is due at the next again.

        After `PATIENCE` steps in a row it is given a rest, which makes it due as often
        as what takes part. Single steps with rests between them might always miss a
        layer that is used in turn with others.
        """
        rest = round(PATIENCE * (self.mean_interval(step) - 1))
        for key in keys:
            count = self._missed[key] = self._missed.get(key, 0) + 1
            self._next[key] = step + 1 + (0 if count % PATIENCE else rest)

    @property
    @abstractmethod
    def staleness(self) -> float | None:
        """Relative change that counts as none; None if changes do not matter."""

    @abstractmethod
    def mean_interval(self, step: int) -> float:
        """Mean number of steps between refreshes, for logs."""

    def state_dict(self) -> dict[str, Any]:
        """When which statistic is due, in plain data."""
        return {"next": dict(self._next), "missed": dict(self._missed)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self._next, self._missed = dict(saved["next"]), dict(saved["missed"])


@final
class Fixed(RefreshPlan):
    """Every so many steps.

    Args:
        interval: Steps, >= 1, or a function of the step.
    """

    staleness = None

    def __init__(self, interval: Interval) -> None:
        super().__init__()
        self.interval = interval
        interval_at("factor_interval", interval, 0)

    def _wait(
        self,
        key: Key,  # noqa: ARG002
        step: int,
        near: bool,  # noqa: ARG002
        near_before: bool,  # noqa: ARG002
    ) -> int:
        return interval_at("factor_interval", self.interval, step)

    def mean_interval(self, step: int) -> float:
        """The interval."""
        return float(interval_at("factor_interval", self.interval, step))


@final
class Adaptive(RefreshPlan):
    """As long as a statistic stays what it was.

    Args:
        staleness: alpha >= 0, the relative change that counts as none; 0 refreshes at
            every step.
    """

    def __init__(self, staleness: float) -> None:
        super().__init__()
        self._staleness = check_number("staleness", staleness, minimum=0)
        self._last: dict[Key, tuple[int, int]] = {}  # D_1 and D_2

    @property
    def staleness(self) -> float:
        """Relative change that counts as none."""
        return self._staleness

    def _wait(
        self,
        key: Key,
        step: int,  # noqa: ARG002
        near: bool,
        near_before: bool,
    ) -> int:
        """By the rule; the first two refreshes are followed by one step each."""
        intervals = (1, 1)
        if key in self._last:
            last, before = self._last[key]
            intervals = (next_interval(last, before, near, near_before), last)
        self._last[key] = intervals
        return intervals[0]

    def mean_interval(self, step: int) -> float:  # noqa: ARG002
        """Over all statistics, the present interval."""
        every = [intervals[0] for intervals in self._last.values()]
        return sum(every) / len(every) if every else 1.0

    def state_dict(self) -> dict[str, Any]:
        """When which statistic is due, and the last two intervals."""
        return {**super().state_dict(), "last": dict(self._last)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        super().load_state_dict(saved)
        self._last = {key: tuple(value) for key, value in saved["last"].items()}
