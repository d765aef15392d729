"""What the curves of a run are drawn against: steps, epochs or hours; linear or log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from ui.components.figure import axis
from ui.components.series import SMOOTHED_SHARE, Row, Value, value

STEP, EPOCH, TIME = "Step", "Epoch", "Time"
KINDS = (STEP, EPOCH, TIME)
_DAY = 86_400.0  # seconds: a clock's face shows no more
_CLOCK, _ZERO = "clock", "1970-01-01"
_FEW_TICKS = 3  # asked for on a log axis: then 2 and 5 are the most between powers
# Units of the time where a clock will not do, with the shortest run they suit.
_UNITS = (("hours", 3600.0, 7200.0), ("minutes", 60.0, 120.0), ("seconds", 1.0, 0.0))
_KEYS = {STEP: "step", EPOCH: "epoch", TIME: "seconds"}  # of a row
_TITLES = {STEP: "Step", EPOCH: "Epoch", _CLOCK: "Training time (h:min)"}
_LOG: dict[str, Any] = {"type": "log", "nticks": _FEW_TICKS, "tickformat": "~g"}


@dataclass(frozen=True)
class Axes:
    """How all curves of a run are drawn.

    Args:
        kind: One of `KINDS`.
        log_x: Whether the horizontal axis is logarithmic.
        log_y: Whether the vertical ones are.
        smoothing: Share of a line's values over which it is averaged, 0 for none.
        longest: Seconds of training so far, which decide the unit of the time.
    """

    kind: str = STEP
    log_x: bool = False
    log_y: bool = False
    smoothing: float = SMOOTHED_SHARE
    longest: float = 0.0

    @cached_property
    def unit(self) -> tuple[str, float]:
        """What the horizontal axis counts, and the seconds in one of it."""
        if self.kind != TIME:
            return self.kind, 1.0
        if not self.log_x and self.longest < _DAY:
            return _CLOCK, 1.0
        return next(
            (name, size) for name, size, least in _UNITS if self.longest >= least
        )

    @property
    def revision(self) -> str:
        """Changes when a zoom of before would show something else."""
        return f"{self.unit[0]}-{self.log_x:d}{self.log_y:d}"

    def place(self, row: Row) -> Value:
        """Where a row stands on the horizontal axis, None for nowhere."""
        found = value(row.get(_KEYS[self.kind]))
        return None if found is None else found / self.unit[1]

    def written(self, places: Sequence[float]) -> list[Any]:
        """Places as the horizontal axis takes them."""
        if self.unit[0] != _CLOCK:
            return list(places)
        # A clock's face is a day of 1970; Plotly would read bare numbers as years.
        days = (datetime.fromtimestamp(place, UTC) for place in places)
        return [
            f"{day:%Y-%m-%d %H:%M:%S}.{day.microsecond // 1000:03d}" for day in days
        ]

    def horizontal(self) -> dict[str, Any]:
        """The horizontal axis."""
        name, _ = self.unit
        title = _TITLES.get(name, f"Training time ({name})")
        whole = {"tickformat": ",d"} if self.kind == STEP else {"hoverformat": ".4~g"}
        if self.log_x:
            return axis(title, **_LOG | whole)
        if name != _CLOCK:
            return axis(title, rangemode="tozero", **whole)
        return axis(
            title, type="date", hoverformat="%-H:%M:%S h",
            autorangeoptions={"include": _ZERO},  # a range would undo a zoom
            tickformatstops=[
                {"dtickrange": [None, 59_999], "value": "%-H:%M:%S"},
                {"dtickrange": [60_000, None], "value": "%-H:%M"},
            ],
        )  # fmt: skip

    def vertical(self, **options: Any) -> dict[str, Any]:
        """A vertical axis; what suits a linear one alone is left out of a log one."""
        if not self.log_y:
            return axis(**options)
        form = options.get("tickformat", _LOG["tickformat"])
        return axis(**_LOG | {"tickformat": form})


def longest_of(rows: Sequence[Row]) -> float:
    """Seconds of training that the rows tell of."""
    told = (value(row.get("seconds")) for row in reversed(rows))
    return next((each for each in told if each is not None), 0.0)
