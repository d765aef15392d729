"""Temperature scaling: one number that makes all predictions softer or sharper.

*Paper*: Guo et al. (2017), arXiv:1706.04599, eq. 9: ``softmax(z / T)``.

*Fit*: the negative log-likelihood is convex in ``beta = 1 / T`` (it is a log-sum-exp
less a line), and its derivative, ``mean(E_p[z] - z_y)`` with p the tempered
probabilities, is increasing: its one root is found by Brent's method.

*Departure*: T has bounds. Where validation is predicted without error, the likelihood
grows for ever as T goes to 0; where the confidence says nothing of the truth, it grows
as T goes to infinity. The bound is then what is learned.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from calibration.recalibration.base import (
    BLOCK_SIZE,
    Array,
    Recalibration,
    logits_of,
    softmax,
)

BOUNDS = (0.05, 100.0)
_FLAT = 1e-12  # nats: uniform rows differ from uniform by rounding


class TemperatureScaling(Recalibration):
    """Divide all logits by one temperature; the predicted class stays.

    Above 1 the model was overconfident, below 1 underconfident.

    Args:
        bounds: Smallest and largest temperature, above 0, with 1 between them.

    Attributes:
        temperature_: T, within the bounds; 1 where no temperature changes the
            likelihood (one class, or uniform rows).
    """

    temperature_: float

    def __init__(self, bounds: tuple[float, float] = BOUNDS) -> None:
        self.bounds = bounds

    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:
        low, high = _checked(self.bounds)
        slope = _slope(logits_of(scores), labels)
        self.temperature_ = _fitted_temperature(slope, low, high)
        return 1

    def _transform(self, scores: Array) -> Array:
        logits = logits_of(scores)
        logits /= self.temperature_
        return softmax(logits)


def _checked(bounds: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = map(float, bounds)
        right = 0 < low <= 1 <= high < np.inf
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(
            "bounds must be two finite numbers above 0 with 1 between them, "
            f"got {bounds!r}."
        )
    return low, high


def _fitted_temperature(
    slope: Callable[[float], float], low: float, high: float
) -> float:
    """The temperature at which an increasing function of 1 / T crosses zero."""
    if abs(slope(1.0)) < _FLAT:
        return 1.0
    if slope(1 / high) >= 0:
        return high
    if slope(1 / low) <= 0:
        return low
    return 1 / float(brentq(slope, 1 / high, 1 / low, xtol=1e-9))


def _slope(logits: Array, labels: NDArray[np.intp]) -> Callable[[float], float]:
    """Derivative of the mean NLL by 1 / T, for logits that may be overwritten."""
    logits -= logits.max(axis=1, keepdims=True)
    target = float(logits[np.arange(len(labels)), labels].sum())
    rows = max(1, BLOCK_SIZE // logits.shape[1])
    blocks = [logits[i : i + rows] for i in range(0, len(labels), rows)]

    def slope(beta: float) -> float:
        expected = sum(_expected_logits(block, beta) for block in blocks)
        return float(expected - target) / len(labels)

    return slope


def _expected_logits(logits: Array, beta: float) -> float:
    """Sum over rows of the mean logit under tempered probabilities."""
    powers = np.exp(beta * logits)
    return float((np.einsum("nk,nk->n", powers, logits) / powers.sum(axis=1)).sum())
