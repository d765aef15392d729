"""What all recalibrations promise, whatever their map."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from calibration.recalibration import (
    FLOOR,
    BetaCalibration,
    Identity,
    MatrixScaling,
    TemperatureScaling,
    VectorScaling,
)
from calibration.recalibration.base import check_not_negative, logits_of, softmax
from tests.calibration.examples import random_probabilities, two_classes
from tests.calibration.recalibration.data import METHODS, miscalibrated

each_method = pytest.mark.parametrize("method", METHODS, ids=repr)


def assert_distributions(probabilities, shape):
    assert probabilities.shape == shape
    assert probabilities.dtype == np.float64
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


@each_method
class TestContract:
    def test_fit_returns_the_object_and_transform_gives_distributions(self, method):
        method = clone(method)
        probabilities, labels = miscalibrated()
        assert method.fit(probabilities, labels) is method
        assert_distributions(method.transform(probabilities), probabilities.shape)

    def test_fit_transform_is_fit_then_transform(self, method):
        probabilities, labels = miscalibrated()
        at_once = clone(method).fit_transform(probabilities, labels)
        one_by_one = clone(method).fit(probabilities, labels).transform(probabilities)
        np.testing.assert_array_equal(at_once, one_by_one)

    def test_unfitted_use_raises(self, method):
        with pytest.raises(NotFittedError):
            clone(method).transform(miscalibrated()[0])

    def test_parameters_are_kept_unchanged_and_a_clone_is_unfitted(self, method):
        probabilities, labels = miscalibrated()
        fitted = clone(method).fit(probabilities, labels)
        copy = clone(fitted)
        assert copy.get_params() == method.get_params()
        assert not [name for name in vars(copy) if name.endswith("_")]

    def test_learned_values_end_in_an_underscore(self, method):
        fitted = clone(method).fit(*miscalibrated())
        learned = vars(fitted).keys() - method.get_params().keys()
        assert learned >= {"num_classes_", "num_parameters_"}
        assert all(name.endswith("_") for name in learned)

    def test_inputs_are_left_alone(self, method):
        probabilities, labels = miscalibrated()
        before = probabilities.copy(), labels.copy()
        probabilities.flags.writeable = labels.flags.writeable = False
        clone(method).fit(probabilities, labels).transform(probabilities)
        np.testing.assert_array_equal(probabilities, before[0])
        np.testing.assert_array_equal(labels, before[1])

    def test_the_same_data_gives_the_same_map(self, method):
        probabilities, labels = miscalibrated()
        first = clone(method).fit_transform(probabilities, labels)
        np.testing.assert_array_equal(
            first, clone(method).fit_transform(probabilities, labels)
        )

    def test_a_second_fit_forgets_the_first(self, method):
        probabilities, labels = miscalibrated()
        refitted = clone(method).fit(*miscalibrated(90, 3)).fit(probabilities, labels)
        np.testing.assert_array_equal(
            refitted.transform(probabilities),
            clone(method).fit_transform(probabilities, labels),
        )

    def test_survives_pickling_and_works_in_a_pipeline(self, method):
        probabilities, labels = miscalibrated()
        fitted = clone(method).fit(probabilities, labels)
        expected = fitted.transform(probabilities)
        loaded = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(loaded.transform(probabilities), expected)
        pipeline = make_pipeline(clone(method)).fit(probabilities, labels)
        np.testing.assert_array_equal(pipeline.transform(probabilities), expected)

    def test_samples_are_averaged_first(self, method):
        samples = random_probabilities(3, 200, 4)
        labels = miscalibrated(200)[1]
        of_samples = clone(method).fit_transform(samples, labels)
        of_mean = clone(method).fit_transform(samples.mean(axis=0), labels)
        np.testing.assert_allclose(of_samples, of_mean, rtol=1e-6, atol=1e-12)


@each_method
class TestEdges:
    def check(self, method, probabilities, labels):
        method = clone(method).fit(probabilities, labels)
        shape = probabilities.shape
        assert_distributions(method.transform(probabilities), shape)
        others = np.concatenate([
            np.eye(shape[1]),
            random_probabilities(20, shape[1], scale=5.0),
            np.full((1, shape[1]), 1 / shape[1]),
        ])
        assert_distributions(method.transform(others), others.shape)
        return method

    def test_probabilities_of_exactly_0_and_1(self, method):
        labels = np.arange(60) % 3
        self.check(method, np.eye(3)[labels], labels)
        self.check(method, np.eye(3)[labels], (labels + 1) % 3)
        self.check(method, np.eye(3)[labels], np.repeat([0, 1, 2], 20))

    def test_float32_and_float16(self, method):
        probabilities, labels = miscalibrated(temperature=0.1)
        for dtype in (np.float32, np.float16):
            self.check(method, probabilities.astype(dtype), labels)

    def test_a_class_that_no_label_names(self, method):
        probabilities, labels = miscalibrated()
        self.check(method, probabilities, labels % 3)

    def test_labels_all_the_same(self, method):
        probabilities, labels = miscalibrated()
        self.check(method, probabilities, 0 * labels)

    def test_one_class(self, method):
        fitted = self.check(method, np.ones((5, 1)), np.zeros(5, dtype=int))
        np.testing.assert_array_equal(fitted.transform(np.ones((2, 1))), 1)

    def test_two_classes(self, method):
        self.check(method, two_classes(0, 0.2, 0.5, 0.5, 0.9, 1), np.arange(6) % 2)

    @pytest.mark.parametrize("label", [0, 2])
    def test_one_example(self, method, label):
        self.check(method, np.array([[0.7, 0.2, 0.1]]), np.array([label]))

    def test_rows_all_alike(self, method):
        self.check(method, np.full((30, 3), 1 / 3), np.arange(30) % 3)

    def test_more_classes_than_examples(self, method):
        self.check(method, *miscalibrated(10, 30))


class TestErrors:
    def test_other_classes_than_were_fitted(self):
        fitted = TemperatureScaling().fit(*miscalibrated(50, 4))
        with pytest.raises(ValueError, match="have the 4 classes of the fitting"):
            fitted.transform(random_probabilities(5, 3))

    def test_logits_and_wrong_labels_are_refused_and_nothing_is_learned(self):
        probabilities, labels = miscalibrated()
        method = TemperatureScaling()
        with pytest.raises(ValueError, match="Were logits passed"):
            method.fit(np.log(probabilities) + 20, labels)
        with pytest.raises(ValueError, match="labels must be in"):
            method.fit(probabilities, labels + 1)
        assert vars(method) == method.get_params()

    @pytest.mark.parametrize(
        "method",
        [
            VectorScaling(intercept=-1.0),
            MatrixScaling(off_diagonal=np.inf),
            MatrixScaling(intercept=np.nan),
            BetaCalibration(smoothing="much"),
        ],
    )
    def test_strengths_are_checked_by_fit(self, method):
        with pytest.raises(ValueError, match="must be a finite number >= 0, got"):
            method.fit(*miscalibrated())

    def test_strengths_may_be_numpy_numbers(self):
        assert check_not_negative(np.float32(0.5), "strength") == 0.5


def test_logits_are_log_probabilities_with_a_floor():
    logits = logits_of(np.array([[0.0, 0.25, 0.75]]))
    np.testing.assert_allclose(logits, np.log([[FLOOR, 0.25, 0.75]]))


def test_softmax_survives_logits_of_any_size():
    result = softmax(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]]))
    np.testing.assert_allclose(result, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_the_identity_only_normalises():
    probabilities = random_probabilities(50, 10, dtype=np.float32)
    result = Identity().fit_transform(probabilities, np.arange(50) % 10)
    np.testing.assert_allclose(result, probabilities, rtol=1e-6)
    np.testing.assert_allclose(result.sum(axis=1), 1, rtol=1e-15)
