"""Recalibration: probabilities corrected by what they were worth on other data.

Fitted on validation, applied to test, by scikit-learn's contract::

    recalibration = TemperatureScaling().fit(val_probabilities, val_labels)
    probabilities = recalibration.transform(test_probabilities)

`compare_recalibrations` tries them all and `best` chooses one.
"""

from calibration.recalibration.base import FLOOR, Identity, Recalibration
from calibration.recalibration.beta import BetaCalibration
from calibration.recalibration.choose import (
    DEFAULT_METHODS,
    RecalibrationResult,
    best,
    compare_recalibrations,
    left_out,
    split_half,
)
from calibration.recalibration.histogram import HistogramBinning
from calibration.recalibration.isotonic import IsotonicCalibration
from calibration.recalibration.linear import MatrixScaling, VectorScaling
from calibration.recalibration.temperature import TemperatureScaling

__all__ = [
    "DEFAULT_METHODS",
    "FLOOR",
    "BetaCalibration",
    "HistogramBinning",
    "Identity",
    "IsotonicCalibration",
    "MatrixScaling",
    "Recalibration",
    "RecalibrationResult",
    "TemperatureScaling",
    "VectorScaling",
    "best",
    "compare_recalibrations",
    "left_out",
    "split_half",
]
