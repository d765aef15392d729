"""Numbers that say how sure they are: every measure is an `Estimate`.

Four ways lead to a 95 % interval, and each estimate names its own: "Wilson" and
"Student t" (`calibration.intervals`), "DeLong" (`calibration.ood`) and "bootstrap"
(`calibration.bootstrap`).
"""

from typing import Any, Self

COVERAGE = 0.95
UNIT = (0.0, 1.0)
BOOTSTRAP, WILSON, STUDENT = "bootstrap", "Wilson", "Student t"


class Estimate(float):
    """A measured number: a float that carries its 95 % interval.

    Args:
        value: The number measured on all examples.
        low: Lower end of the interval, at most the value.
        high: Upper end, at least the value.
        count: Number of examples behind it.
        method: How the interval was found, such as "Wilson" or "bootstrap".
    """

    __slots__ = ("count", "high", "low", "method")
    low: float
    high: float
    count: int
    method: str

    def __new__(
        cls, value: float, *, low: float, high: float, count: int, method: str
    ) -> Self:
        """Make the number; see the class."""
        estimate = super().__new__(cls, value)
        # Rounding, or a reflected bootstrap, must not leave the value outside.
        estimate.low = min(float(low), float(value))
        estimate.high = max(float(high), float(value))
        estimate.count, estimate.method = int(count), method
        return estimate

    def __repr__(self) -> str:
        return (
            f"Estimate({float(self):.6g}, low={self.low:.6g}, high={self.high:.6g}, "
            f"count={self.count}, method={self.method!r})"
        )

    # As text it is the number, in an f-string or a table as anywhere else.
    __str__ = float.__repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.as_dict(),)

    def as_dict(self) -> dict[str, Any]:
        """This estimate as JSON-ready data."""
        return {"value": float(self)} | {
            name: getattr(self, name) for name in ("low", "high", "count", "method")
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Rebuild an estimate from what `as_dict` gave."""
        return cls(**content)
