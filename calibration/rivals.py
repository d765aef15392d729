"""Does one of several settings beat the one that theory asks for, beyond the seeds?

Runs with the same seed share their data order and first weights, so differences are
taken seed by seed. Whoever looks for the best of K rivals finds one that looks better
even where all are alike: the interval of its difference is therefore wider, by the
union bound over the K.

*Papers*: Student (1908), Biometrika 6:1; Dunn (1961), Journal of the American
Statistical Association 56:52 (Bonferroni's inequality for several means).
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from calibration.definitions import HIGHER, LOWER
from calibration.estimate import COVERAGE

Array = NDArray[np.float64]

BETTER, WORSE, UNCLEAR = "better", "worse", "unclear"
LEAST_SEEDS = 3  # two differences make an interval, but too few to call anything clear
_ROUNDING = 1e-12  # of numbers of about 1


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The best of several rivals, beside the reference.

    Args:
        key: Which one.
        difference: Its mean less the reference's, over the seeds that both have.
        low: Lower end of the simultaneous 95 % interval; None for one seed, or where
            all seeds differ alike.
        high: Upper end of the same.
        count: Number of seeds that both have.
        agreeing: With how many of them the rival is on the side of the mean.
        tried: Number of rivals that it was chosen from.
        verdict: `BETTER`, `WORSE` or `UNCLEAR`, by the interval.
    """

    key: Hashable
    difference: float
    low: float | None
    high: float | None
    count: int
    agreeing: int
    tried: int
    verdict: str


def best_rival(
    reference: Mapping[int, float],
    rivals: Mapping[Hashable, Mapping[int, float]],
    better: str,
) -> Rival | None:
    """Compare the best of some settings with a reference, seed by seed.

    Args:
        reference: The reference's number by seed.
        rivals: Each rival's number by seed, by what it is called.
        better: "lower" or "higher", whichever is better.

    Returns:
        The rival with the best mean difference; None if none shares a seed with the
        reference.

    Raises:
        ValueError: If `better` is neither, or a number is not finite.
    """
    if better not in (LOWER, HIGHER):
        raise ValueError(f"better must be {LOWER} or {HIGHER}, got {better!r}.")
    pairs = {key: _differences(reference, found) for key, found in rivals.items()}
    pairs = {key: values for key, values in pairs.items() if len(values)}
    if not pairs:
        return None
    sign = 1.0 if better == HIGHER else -1.0
    key = max(pairs, key=lambda each: sign * float(pairs[each].mean()))
    values, tried = pairs[key], len(pairs)
    mean = float(values.mean())
    low, high = _interval(values, tried)
    return Rival(
        key=key, difference=mean, low=low, high=high, count=len(values),
        agreeing=int((values * mean > 0).sum()), tried=tried,
        verdict=_verdict(low, high, len(values), sign),
    )  # fmt: skip


def _differences(one: Mapping[int, float], two: Mapping[int, float]) -> Array:
    seeds = sorted(one.keys() & two.keys())
    values = np.array([two[seed] - one[seed] for seed in seeds], dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("numbers of seeds must be finite, got others.")
    return values


def _interval(values: Array, tried: int) -> tuple[float | None, float | None]:
    """Student's interval of a mean, wide enough for the best of `tried` means."""
    count, mean = len(values), float(values.mean())
    if count < 2 or np.ptp(values) <= _ROUNDING * max(1.0, np.abs(values).max()):
        return None, None
    quantile = float(stdtrit(count - 1, 1 - (1 - COVERAGE) / (2 * tried)))
    half = quantile * float(values.std(ddof=1)) / count**0.5
    return mean - half, mean + half


def _verdict(low: float | None, high: float | None, count: int, sign: float) -> str:
    if low is None or high is None or count < LEAST_SEEDS or low <= 0 <= high:
        return UNCLEAR
    return BETTER if (low > 0) == (sign > 0) else WORSE
