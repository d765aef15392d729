"""The difference of two runs that were judged on the same examples."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import Estimate

Array = NDArray[np.float64]


class Difference(Estimate):
    """The first run's number less the second's, with its 95 % interval.

    Args:
        value: The difference on all examples.
        low: Lower end of the interval.
        high: Upper end.
        count: Number of examples.
        method: How the interval was found.
        share_above_zero: Share of replicates in which the difference is above 0, ties
            counting half: near 1 the first run's number is surely the larger, near 0
            the smaller. 0.5 where one example or cluster tells nothing. Where bias is
            allowed for in several ways, that of the least sure one.
        share_range: The least and the most of such shares over those ways; both are
            `share_above_zero` where there is one way. `as_dict`, the form of all
            estimates, leaves out the shares.
    """

    __slots__ = ("share_above_zero", "share_range")
    share_above_zero: float
    share_range: tuple[float, float]

    def __new__(
        cls,
        value: float,
        *,
        low: float,
        high: float,
        count: int,
        method: str,
        share_above_zero: float = 0.5,
        share_range: tuple[float, float] | None = None,
    ) -> Self:
        """Make the number; see the class."""
        made = super().__new__(
            cls, value, low=low, high=high, count=count, method=method
        )
        made.share_above_zero = share = float(share_above_zero)
        made.share_range = share_range or (share, share)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        content = self.as_dict() | {
            name: getattr(self, name) for name in self.__slots__
        }
        return type(self).from_dict, (content,)


def with_share(
    estimate: Estimate,
    draws: Array,
    num_groups: int,
    bounds: tuple[float, float],
    *others: Array,
) -> Difference:
    """Add to an estimate what share of replicates is above zero.

    Args:
        estimate: The difference.
        draws: Its replicates; those that are not finite are left out, ``[R]``.
        num_groups: How many examples or clusters were resampled; one tells nothing, and
            its interval is all there can be.
        bounds: Smallest and largest possible difference.
        *others: Replicates with bias allowed for in other ways, ``[R]`` each.

    Returns:
        The same number and interval.

    Raises:
        ValueError: If one example or cluster has no bounds.
    """
    low, high = estimate.low, estimate.high
    shares = [share_above_zero(each) for each in (draws, *others)]
    if num_groups < 2:
        (low, high), shares = bounds, [0.5]
        if not np.isfinite(bounds).all():
            raise ValueError(
                "bounds must be finite where there is one example or cluster, "
                f"got {bounds}."
            )
    return Difference(
        float(estimate),
        low=low,
        high=high,
        count=estimate.count,
        method=estimate.method,
        share_above_zero=min(shares, key=lambda share: abs(share - 0.5)),
        share_range=(min(shares), max(shares)),
    )


def share_above_zero(draws: Array) -> float:
    """Share of finite replicates above zero, ties counting half; 0.5 of none."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return 0.5
    return float(np.sign(finite).mean() + 1) / 2


def check_same_shape(first: NDArray[Any], second: NDArray[Any]) -> None:
    """Refuse probabilities of other examples or classes; S may differ."""
    if first.shape[-2:] != second.shape[-2:]:
        raise ValueError(
            "second must have the examples and classes of first, got shape "
            f"{second.shape} against {first.shape}. Were both run on the same test set?"
        )
