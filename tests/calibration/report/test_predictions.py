"""Predictions made without a file."""

import numpy as np
import pytest

from calibration.report.checks import PredictionsError
from calibration.report.data import LayerRow
from calibration.report.predictions import Predictions
from tests.calibration.examples import random_labels, random_probabilities

PROBABILITIES, LABELS = random_probabilities(30, 3), random_labels(30, 3)


def test_predictions_can_be_made_without_a_file():
    layer = LayerRow(
        name="0", num_parameters=3, deviation=0.1, signal_to_noise=1.0, kl=2.0
    )
    made = Predictions(
        name="mine", probabilities=PROBABILITIES, labels=LABELS, posterior=[layer]
    )
    assert made.posterior[0].kl == 2.0


def test_images_of_some_examples_come_with_their_rows():
    images = np.zeros((2, 4, 4), np.uint8)
    given = {"name": "a", "probabilities": PROBABILITIES, "labels": LABELS}
    made = Predictions(**given, images=images, image_rows=np.array([3, 9]))
    assert len(made.images) == 2
    with pytest.raises(PredictionsError, match="one entry for each of 30"):
        Predictions(**given, images=images)
