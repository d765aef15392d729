"""Beta calibration: the logit of a probability bent at both ends.

*Paper*: Kull, Silva Filho and Flach (2017), AISTATS (PMLR 54:623) and Electronic J.
Statistics 11:5052: for a binary probability p of the positive class, ``logit q = c + a
log p - b log(1 - p)`` with a, b >= 0, so that the map is increasing. The identity is
a = b = 1, c = 0.

*Departures*: more than two classes are recalibrated one against the rest, and rows are
divided by their sum (for two this is the binary map itself). The constraint is held by
the optimiser (L-BFGS-B), which finds the constrained optimum; the paper drops a
negative coefficient and fits again. Targets are Platt's (1999, "Probabilistic outputs
for support vector machines", section 2.2) rather than 0 and 1: they keep the map finite
where probabilities tell the classes apart without error, or where no label names a
class. 1 - p is summed from the other classes, as the difference has no digits left near
p = 1.
"""

import numpy as np
from numpy.typing import NDArray

from calibration.recalibration.base import (
    FLOOR,
    Array,
    Recalibration,
    check_not_negative,
    minimise,
    softmax,
)

SLOPE_LIMIT = 20.0
SHIFT_LIMIT = 100.0


class BetaCalibration(Recalibration):
    """Three numbers a class, one class against the rest.

    Args:
        smoothing: Prior examples that each side of each class is given, spread evenly
            over the C classes: with n examples of a class, their target is
            ``(n + smoothing / C) / (n + smoothing)``. 0 for targets of 0 and 1.

    Attributes:
        a_: Coefficient of log p, in 0..`SLOPE_LIMIT`, ``[C]``.
        b_: Coefficient of -log(1 - p), in 0..`SLOPE_LIMIT`, ``[C]``.
        c_: Shift, within +-`SHIFT_LIMIT`, ``[C]``.
    """

    a_: Array
    b_: Array
    c_: Array

    def __init__(self, smoothing: float = 1.0) -> None:
        self.smoothing = smoothing

    def _needed_examples(self, num_classes: int) -> int:
        return 3 * num_classes

    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:
        smoothing = check_not_negative(self.smoothing, "smoothing")
        num_classes = scores.shape[1]
        found = np.array([
            _fit_binary(log_p, log_rest, _targets(labels == k, smoothing, num_classes))
            for k, (log_p, log_rest) in enumerate(zip(*_features(scores), strict=True))
        ])
        self.a_, self.b_, self.c_ = found.T
        # The two maps of two classes mirror each other.
        return 3 * num_classes if num_classes > 2 else 3

    def _transform(self, scores: Array) -> Array:
        log_p, log_rest = _features(scores)
        logits = self.a_[:, None] * log_p - self.b_[:, None] * log_rest
        logits += self.c_[:, None]
        # The log of the sigmoid; softmax then divides rows by their sum, without the
        # loss of those whose every sigmoid is smaller than a float.
        return softmax(-np.logaddexp(0, -logits).T)


def _features(scores: Array) -> tuple[Array, Array]:
    """Logarithms of p and of 1 - p of each class, ``[C, N]``."""
    entries = np.arange(len(scores)), scores.argmax(axis=1)
    rest, others = 1 - scores, scores.copy()
    others[entries] = 0
    rest[entries] = others.sum(axis=1)
    log_p, log_rest = (
        np.log(np.maximum(values.T, FLOOR, order="C")) for values in (scores, rest)
    )
    return log_p, log_rest


def _targets(hits: NDArray[np.bool_], smoothing: float, num_classes: int) -> Array:
    """What each example's probability is fitted to, a little off 0 and 1."""
    positives, prior = int(hits.sum()), smoothing / num_classes
    negatives = len(hits) - positives
    high = (positives + prior) / (positives + smoothing) if positives else 1.0
    low = prior / (negatives + smoothing) if negatives else 0.0
    return np.where(hits, high, low)


def _fit_binary(log_p: Array, log_rest: Array, targets: Array) -> Array:
    """a, b and c of least cross-entropy."""
    features = np.stack([log_p, -log_rest, np.ones_like(log_p)])
    # In units in which each feature is about 1, which saves iterations.
    units = 1 / np.maximum(1.0, features.std(axis=1))
    features *= units[:, None]

    def objective(values: Array) -> tuple[float, Array]:
        logits = values @ features
        powers = np.exp(-np.abs(logits))
        losses = np.maximum(logits, 0) + np.log1p(powers) - targets * logits
        residual = np.where(logits >= 0, 1.0, powers) / (1 + powers) - targets
        return float(losses.mean()), features @ residual / len(targets)

    low = np.array([0.0, 0.0, -SHIFT_LIMIT]) / units
    high = np.array([SLOPE_LIMIT, SLOPE_LIMIT, SHIFT_LIMIT]) / units
    found: Array = minimise(objective, np.array([1.0, 1.0, 0.0]) / units, low, high)
    found *= units
    return found
