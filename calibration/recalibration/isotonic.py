"""Isotonic calibration: any increasing map, learned without a formula.

*Paper*: Zadrozny and Elkan (2002), KDD, p. 694: one class against the rest, each map
the isotonic (pool adjacent violators) regression of hits on probabilities, rows divided
by their sum.

*Conventions*: between the fitted steps the map is interpolated, as scikit-learn does.

*Departure*: at its ends a plain isotonic map gives exactly 0 and 1, and one test
example of a class that got 0 costs 708 nats, more than all others together. Hence the
prior examples (`smoothing`), which pull both ends towards 1/C as Laplace's rule does,
by less than 1 / (count of the last step), and leave the map increasing.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from calibration.recalibration.base import Array, OneVsRest, check_not_negative


class IsotonicCalibration(OneVsRest):
    """An increasing step map for each class, one against the rest.

    Args:
        smoothing: Weight of two prior examples, one with probability 0 and one with 1,
            which belong to each of the C classes alike. 0 for none: probabilities can
            then be exactly 0, and a row in which all are 0 is left uncalibrated.

    Attributes:
        maps_: scikit-learn's regression of each of C classes.
    """

    maps_: list[IsotonicRegression]

    def __init__(self, smoothing: float = 1.0) -> None:
        self.smoothing = smoothing

    def _fit(self, scores: Array, labels: NDArray[np.intp]) -> int:
        smoothing = check_not_negative(self.smoothing, "smoothing")
        num_classes = scores.shape[1]
        prior = 1 / num_classes
        weights = np.concatenate([np.ones(len(scores)), [smoothing, smoothing]])
        self.maps_ = [
            IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
                np.append(scores[:, k], [0.0, 1.0]),
                np.append(labels == k, [prior, prior]),
                weights,
            )
            for k in range(num_classes)
        ]
        return sum(len(np.unique(one.y_thresholds_)) for one in self.maps_)

    def _map(self, index: int, scores: Array) -> Array:
        values: Array = self.maps_[index].predict(scores)
        return values
