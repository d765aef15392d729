"""Checks of single arrays; how files are refused is in test_reading.py."""

import numpy as np
import pytest

from calibration.report.checks import (
    PredictionsError,
    check_features,
    check_images,
    check_sets,
    check_test,
)
from tests.calibration.examples import random_labels, random_probabilities


def test_the_size_is_that_of_the_test_examples():
    probabilities = random_probabilities(4, 30, 3)
    assert check_test(probabilities, random_labels(30, 3)) == (30, 3)


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 8, 6, 3)])
def test_pictures_are_grey_or_coloured(shape):
    check_images(np.zeros(shape, np.uint8), None, 5)


@pytest.mark.parametrize("shape", [(5, 8), (5, 3, 8, 8), (5, 0, 8), (5, 8, 8, 4)])
def test_other_arrays_are_no_pictures(shape):
    with pytest.raises(PredictionsError, match="images must be uint8"):
        check_images(np.zeros(shape, np.uint8), None, 5)


def test_features_tell_their_size():
    assert check_features("features", np.ones((4, 7), np.float32)) == (4, 7)


def test_names_of_sets_are_known():
    check_sets("near", ["a"], {"a": 3, "b": 4})
    with pytest.raises(PredictionsError, match=r"\(a, b\), got 'c'"):
        check_sets("near", ["c"], {"a": 3, "b": 4})
