"""All calibration errors, and predictions to try them on."""

import pytest

from calibration.calibration_errors import (
    adaptive_calibration_error,
    classwise_calibration_error,
    debiased_calibration_error,
    expected_calibration_error,
    kernel_calibration_error,
    maximum_calibration_error,
    overconfidence,
    overconfidence_error,
    root_mean_square_calibration_error,
)
from tests.calibration.examples import random_labels, random_probabilities

BINNED = [
    expected_calibration_error,
    adaptive_calibration_error,
    maximum_calibration_error,
    classwise_calibration_error,
    root_mean_square_calibration_error,
    debiased_calibration_error,
    overconfidence_error,
]
ERRORS = [*BINNED, kernel_calibration_error, overconfidence]
each_binned = pytest.mark.parametrize("error", BINNED)
each_error = pytest.mark.parametrize("error", ERRORS)

PROBABILITIES = random_probabilities(200, 5)
LABELS = random_labels(200, 5)
