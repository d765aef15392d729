"""Temperature scaling: known temperatures, bounds, and what it keeps."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from calibration.recalibration import TemperatureScaling
from calibration.recalibration.temperature import BOUNDS
from tests.calibration.examples import random_probabilities, softmax
from tests.calibration.recalibration.data import drawn_labels, miscalibrated, nll


def tempered(probabilities, temperature):
    return softmax(np.log(probabilities) / temperature)


@pytest.mark.parametrize("truth", [0.4, 1.0, 2.5])
def test_recovers_the_temperature_that_labels_were_drawn_at(truth):
    probabilities = random_probabilities(20_000, 5)
    calibrated = tempered(probabilities, truth)
    found = TemperatureScaling().fit(probabilities, drawn_labels(calibrated))
    # The maximum-likelihood 1 / T has variance 1 / (N * mean variance of the logits
    # under the true probabilities); five deviations are passed once in two million.
    logits = np.log(probabilities)
    means = (calibrated * logits).sum(axis=1, keepdims=True)
    information = (calibrated * (logits - means) ** 2).sum()
    assert abs(1 / found.temperature_ - 1 / truth) < 5 / np.sqrt(information)


def test_is_the_minimum_that_a_search_finds():
    probabilities, labels = miscalibrated()
    searched = minimize_scalar(
        lambda log_t: nll(tempered(probabilities, np.exp(log_t)), labels),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-8},
    )
    found = TemperatureScaling().fit(probabilities, labels).temperature_
    assert found == pytest.approx(np.exp(searched.x), rel=1e-6)


def test_blocks_change_nothing(monkeypatch):
    probabilities, labels = miscalibrated()
    whole = TemperatureScaling().fit(probabilities, labels).temperature_
    monkeypatch.setattr("calibration.recalibration.temperature.BLOCK_SIZE", 28)
    parts = TemperatureScaling().fit(probabilities, labels).temperature_
    assert parts == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_is_never_worse_on_the_fitting_data_and_keeps_the_prediction(seed):
    probabilities, labels = miscalibrated(30, 4, seed, temperature=0.2 + 0.4 * seed)
    result = TemperatureScaling().fit_transform(probabilities, labels)
    assert nll(result, labels) <= nll(probabilities, labels)
    np.testing.assert_array_equal(result.argmax(axis=1), probabilities.argmax(axis=1))


def test_a_temperature_of_one_returns_the_input():
    probabilities = random_probabilities(100, 10, scale=5.0)
    probabilities[0] = np.eye(10)[3]
    method = TemperatureScaling(bounds=(1, 1)).fit(probabilities, np.arange(100) % 10)
    assert method.temperature_ == 1
    np.testing.assert_allclose(
        method.transform(probabilities), probabilities, rtol=1e-13, atol=1e-37
    )


class TestBounds:
    def test_faultless_validation_reaches_the_lower(self):
        probabilities = random_probabilities(100, 3)
        labels = probabilities.argmax(axis=1)
        assert TemperatureScaling().fit(probabilities, labels).temperature_ == BOUNDS[0]
        own = TemperatureScaling(bounds=(0.5, 2)).fit(probabilities, labels)
        assert own.temperature_ == 0.5

    def test_a_misleading_confidence_reaches_the_upper(self):
        probabilities = random_probabilities(100, 3)
        labels = probabilities.argmin(axis=1)
        assert TemperatureScaling().fit(probabilities, labels).temperature_ == BOUNDS[1]

    @pytest.mark.parametrize("num_classes", [1, 3, 7])
    def test_where_no_temperature_changes_anything_it_is_one(self, num_classes):
        probabilities = np.full((12, num_classes), 1 / num_classes)
        probabilities[:, 0] = 1 - probabilities[:, 1:].sum(axis=1)  # a rounding away
        labels = np.arange(12) % num_classes
        assert TemperatureScaling().fit(probabilities, labels).temperature_ == 1

    @pytest.mark.parametrize("bounds", [(0, 2), (2, 3), (0.1, 0.9), (0.5, np.inf)])
    def test_have_one_between_them(self, bounds):
        with pytest.raises(ValueError, match="bounds must be two finite numbers"):
            TemperatureScaling(bounds=bounds).fit(*miscalibrated())


@pytest.mark.parametrize("bounds", [None, "ab", (1,), (0.5, None), 3])
def test_bounds_that_are_no_two_numbers_are_refused(bounds):
    with pytest.raises(ValueError, match="bounds must be two finite numbers"):
        TemperatureScaling(bounds).fit(np.array([[0.5, 0.5]]), np.array([0]))
