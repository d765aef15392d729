"""What is found once of checked predictions."""

import numpy as np
import pytest

from calibration import _predictions
from calibration._predictions import Judged, Predicted
from calibration.uncertainty import decompose
from tests.calibration.examples import random_labels, random_probabilities

SAMPLES, LABELS = random_probabilities(3, 60, 4), random_labels(60, 4)


def test_the_predicted_class_is_the_first_of_equals():
    judged = Judged([[0.5, 0.5], [0.5, 0.5]], [0, 1])
    assert judged.predicted.tolist() == [0, 0]
    assert judged.confidence.tolist() == [0.5, 0.5]
    assert judged.correct.tolist() == [True, False]


def test_rows_are_the_mean_of_the_samples():
    found = Judged(SAMPLES, LABELS)
    np.testing.assert_allclose(found.rows, SAMPLES.mean(axis=0))
    np.testing.assert_array_equal(found.samples, SAMPLES)
    sizes = [Predicted(each).num_samples for each in (SAMPLES, SAMPLES[:1], SAMPLES[0])]
    assert sizes == [3, 1, 1]
    parts = decompose(SAMPLES)
    for name, values in vars(parts).items():
        np.testing.assert_array_equal(getattr(found, name), values)


def test_a_name_and_every_argument_is_checked():
    with pytest.raises(ValueError, match=r"^mine must be in 0\.\.1, got"):
        Predicted(2 * SAMPLES, "mine")
    with pytest.raises(ValueError, match=r"^labels must have one entry for each of 60"):
        Judged(SAMPLES, LABELS[:3])
    with pytest.raises(ValueError, match=r"^groups must be a vector with one entry"):
        Judged(SAMPLES, LABELS, [1, 2])


def test_what_is_asked_twice_is_computed_once(monkeypatch):
    judged, calls = Judged(SAMPLES, LABELS, np.arange(60) // 3), []
    real = _predictions.binned_sums

    def counted(*arguments):
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(_predictions, "binned_sums", counted)
    assert judged.binned(7) is judged.binned(7)
    assert judged.binned(7).shape == (20, 7, 3)
    judged.binned(7, "mass")
    judged.binned(8)
    assert len(calls) == 3
    with pytest.raises(ValueError, match="num_bins must be an integer of at least 1"):
        judged.binned(0)
