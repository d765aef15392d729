"""Errors of predictions that were checked once are those that check themselves."""

import numpy as np
import pytest

from calibration import _errors, calibration_errors
from calibration._errors import adaptive_error, classwise_error, expected_error
from calibration._predictions import Judged
from tests.calibration.examples import random_labels, random_probabilities

PROBABILITIES, LABELS = random_probabilities(300, 4), random_labels(300, 4)


def judged(groups=None):
    return Judged(PROBABILITIES, LABELS, groups)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (_errors.expected_error, calibration_errors.expected_calibration_error),
        (_errors.adaptive_error, calibration_errors.adaptive_calibration_error),
        (_errors.maximum_error, calibration_errors.maximum_calibration_error),
        (_errors.classwise_error, calibration_errors.classwise_calibration_error),
        (
            _errors.root_mean_square_error,
            calibration_errors.root_mean_square_calibration_error,
        ),
        (_errors.debiased_error, calibration_errors.debiased_calibration_error),
        (_errors.promised_error, calibration_errors.overconfidence_error),
    ],
)
@pytest.mark.parametrize("groups", [None, np.arange(300) // 3])
def test_they_are_the_public_ones(inner, outer, groups):
    expected = outer(PROBABILITIES, LABELS, 10, groups=groups)
    assert inner(judged(groups), 10).as_dict() == expected.as_dict()


def test_what_is_shared_is_found_once_and_gives_the_same_again():
    shared = judged()
    first = expected_error(shared, 10).as_dict()
    adaptive_error(shared, 10)
    classwise_error(shared, 10)
    assert expected_error(shared, 10).as_dict() == first
