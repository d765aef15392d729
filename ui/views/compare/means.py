"""The difference of two means over seeds, with its interval. Pure.

*Papers*: Student (1908), Biometrika 6:1; Welch (1947), Biometrika 34:28 (means of two
groups whose deviations differ). One run against several seeds: Student's interval for
two groups, which takes the deviation of the one for that of the others.

Seeds that all gave the same number tell nothing of the spread: there is no interval.
"""

from collections.abc import Sequence

import numpy as np

from calibration import Estimate
from calibration.estimate import COVERAGE

ENDLESS = (-np.inf, np.inf)
ERROR = 1e-12  # of rounding, for numbers of about 1


def of_means(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The mean of some numbers less that of others, with Student's interval.

    Args:
        first: A number a seed, [R].
        second: Likewise, of other seeds, [Q]; either may be of one, not both.

    Returns:
        The difference; its interval is Welch's where both have two or more, and
        endless where the numbers of each side are all the same.

    Raises:
        ValueError: If both are of one, which have no deviation.
    """
    from scipy.special import stdtrit

    value = float(np.mean(first) - np.mean(second))
    low, high = ENDLESS
    if not (alike(first) and alike(second)):
        error, freedom = error_of(first, second)
        half = float(stdtrit(freedom, (1 + COVERAGE) / 2)) * error
        low, high = value - half, value + half
    elif max(len(first), len(second)) < 2:
        raise ValueError("two single runs have no deviation over seeds.")
    number = len(first) + len(second)
    return Estimate(value, low=low, high=high, count=number, method="t")


def error_of(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Standard error of a difference of means, and its degrees of freedom."""
    groups = [np.asarray(each, np.float64) for each in (first, second)]
    counts = np.array([len(each) for each in groups])
    squares = np.array([((each - each.mean()) ** 2).sum() for each in groups])
    if (counts > 1).all():
        parts = squares / (counts - 1) / counts
        error = parts.sum()
        freedom = error**2 / (parts**2 / (counts - 1)).sum()
    else:
        freedom = counts.sum() - 2
        error = squares.sum() / freedom * (1 / counts).sum()
    return float(np.sqrt(error)), float(freedom)


def alike(values: Sequence[float]) -> bool:
    """Whether numbers are the same but for rounding; one number is."""
    return bool(np.ptp(values) <= ERROR * max(1.0, np.abs(values).max()))
