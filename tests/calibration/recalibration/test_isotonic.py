"""Isotonic calibration against scikit-learn, and the ends that smoothing opens."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from calibration.recalibration import IsotonicCalibration
from tests.calibration.examples import two_classes
from tests.calibration.recalibration.data import miscalibrated


def test_without_smoothing_is_scikit_learn_one_against_the_rest():
    probabilities, labels = miscalibrated()
    others = miscalibrated(seed=5)[0]
    columns = [
        IsotonicRegression(out_of_bounds="clip")
        .fit(probabilities[:, k], labels == k)
        .predict(others[:, k])
        for k in range(4)
    ]
    rates = np.stack(columns, axis=1)
    sums = rates.sum(axis=1, keepdims=True)
    expected = np.where(sums > 0, rates / np.where(sums > 0, sums, 1), others)
    result = IsotonicCalibration(smoothing=0).fit(probabilities, labels)
    np.testing.assert_allclose(result.transform(others), expected, atol=1e-12)


def test_binary_steps_by_hand():
    # The pair 0.3 (hit), 0.4 (miss) violates the order and is pooled.
    probabilities = two_classes(0.1, 0.3, 0.4, 0.9)
    fitted = IsotonicCalibration(smoothing=0).fit(probabilities, np.array([0, 1, 0, 1]))
    result = fitted.transform(two_classes(0.0, 0.1, 0.3, 0.35, 0.4, 0.9, 1.0))[:, 1]
    np.testing.assert_allclose(result, [0, 0, 0.5, 0.5, 0.5, 1, 1])
    assert fitted.num_parameters_ == 6


def test_smoothing_is_laplaces_rule_at_both_ends():
    # 4 misses below 6 hits; a prior example of weight 2 and rate 1/2 joins each end.
    probabilities = two_classes(*np.linspace(0.1, 0.4, 4), *np.linspace(0.6, 0.9, 6))
    labels = np.repeat([0, 1], [4, 6])
    fitted = IsotonicCalibration(smoothing=2.0).fit(probabilities, labels)
    result = fitted.transform(two_classes(0.0, 0.25, 0.8, 1.0))[:, 1]
    np.testing.assert_allclose(result, [1 / 6, 1 / 6, 7 / 8, 7 / 8])


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_smoothing_leaves_nothing_impossible_and_every_map_increasing(num_classes):
    probabilities, labels = miscalibrated(300, num_classes, temperature=0.2)
    labels[labels == num_classes - 1] = 0  # of one class there is no example
    fitted = IsotonicCalibration().fit(probabilities, labels)
    grid = np.linspace(0, 1, 1001)
    for one in fitted.maps_:
        values = one.predict(grid)
        assert values.min() > 0
        assert values.max() < 1
        assert np.diff(values).min() >= 0
    assert fitted.transform(np.eye(num_classes)).min() > 0


def test_a_row_of_zeros_is_left_as_it_was():
    # Each class is hit only where it is held most likely by far.
    probabilities = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    probabilities = np.concatenate([probabilities, np.full((1, 3), 1 / 3)])
    labels = np.array([0, 1, 2, 0])
    fitted = IsotonicCalibration(smoothing=0).fit(probabilities[:3], labels[:3])
    for one in fitted.maps_:
        one.f_ = lambda x: 0 * x
    result = fitted.transform(probabilities)
    np.testing.assert_allclose(result, probabilities, atol=1e-15)
