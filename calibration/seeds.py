"""Means over runs that differ in nothing but the seed.

*Paper*: Student (1908), Biometrika 6:1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from calibration._checks import as_array
from calibration.estimate import COVERAGE


@dataclass(frozen=True, kw_only=True)
class SeedSummary:
    """One number of several runs.

    Args:
        mean: Its mean over runs.
        deviation: Its standard deviation (divisor: count - 1), None for one run.
        low: Lower end of Student's 95 % interval of the mean over all seeds there
            could be, None for one run.
        high: Upper end of the same.
        count: Number of runs.
    """

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    count: int


def mean_over_seeds(values: ArrayLike) -> SeedSummary:
    """Sum up one number of several runs, taken for independent and about normal.

    The interval may pass the number's natural bounds, as it does when few runs differ
    much: with two of them it is 12.7 standard errors wide either way.

    Args:
        values: The number in each run, ``[R]``, R at least 1.

    Returns:
        Mean, deviation and interval.

    Raises:
        ValueError: If the values are no vector of finite numbers.
    """
    numbers = as_array(values, "values")
    if numbers.dtype.kind not in "fiu" and numbers.size > 0:
        raise ValueError(f"values must be real numbers, got dtype {numbers.dtype}.")
    numbers = numbers.astype(np.float64)
    if numbers.ndim != 1 or numbers.size == 0:
        raise ValueError(
            f"values must be a non-empty vector, got shape {numbers.shape}."
        )
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(f"values must be finite, got {numbers[row]} at values[{row}].")
    mean, count = float(numbers.mean()), len(numbers)
    if count == 1:
        return SeedSummary(mean=mean, deviation=None, low=None, high=None, count=1)
    deviation = float(numbers.std(ddof=1))
    quantile = float(stdtrit(count - 1, (1 + COVERAGE) / 2))
    half = quantile * deviation / count**0.5
    return SeedSummary(
        mean=mean,
        deviation=deviation,
        low=mean - half,
        high=mean + half,
        count=count,
    )
