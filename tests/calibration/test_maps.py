"""Maps over a grid: layout, values, rounding."""

import json
import re

import numpy as np
import pytest

from calibration import decompose, uncertainty_map
from tests.calibration.examples import random_probabilities

# Half a unit in the fifth significant digit.
ROUNDING = 5e-5


def test_maps_hold_the_predictive_and_its_uncertainty():
    samples = random_probabilities(4, 6, 3)
    maps = uncertainty_map(samples, (2, 3))
    parts = decompose(samples)
    probability = np.array(maps["probability"])
    assert probability.shape == (3, 2, 3)
    expected = samples.mean(axis=0).T.reshape(3, 2, 3)
    np.testing.assert_allclose(probability, expected, rtol=ROUNDING)
    for name, values in (
        ("entropy", parts.total),
        ("mutual_information", parts.mutual_information),
    ):
        np.testing.assert_allclose(maps[name], values.reshape(2, 3), rtol=ROUNDING)


def test_points_are_laid_out_row_by_row():
    probabilities = np.full((6, 2), [1.0, 0.0])
    probabilities[4] = [0.5, 0.5]
    entropy = np.array(uncertainty_map(probabilities, (2, 3))["entropy"])
    assert np.argwhere(entropy).tolist() == [[1, 1]]


def test_one_model_has_an_empty_map_of_disagreement():
    maps = uncertainty_map(random_probabilities(4, 2), (4, 1))
    assert maps["mutual_information"] == [[0.0]] * 4


def test_maps_are_json_of_five_digits():
    probabilities = [[[1 / 3, 2 / 3]], [[1e-7 / 3, 1 - 1e-7 / 3]]]
    maps = uncertainty_map(probabilities, (1, 1))
    assert json.loads(json.dumps(maps, allow_nan=False)) == maps
    assert maps["probability"] == [[[0.16667]], [[0.83333]]]
    assert uncertainty_map(probabilities[1:], (1, 1))["probability"][0] == [[3.3333e-8]]


@pytest.mark.parametrize("shape", [(2, 2), (6, 0), (-2, -3)])
def test_a_grid_of_another_size_is_refused(shape):
    message = f"shape must be rows and columns of 6 points, got {shape}."
    with pytest.raises(ValueError, match=re.escape(message)):
        uncertainty_map(random_probabilities(6, 3), shape)
