"""Beta calibration against scikit-learn's logistic regression and known maps."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from calibration.recalibration import BetaCalibration
from calibration.recalibration.beta import _features, _targets
from tests.calibration.examples import two_classes
from tests.calibration.recalibration.data import miscalibrated, nll


def drawn(count, a, b, c, seed=0):
    """Binary rows, and labels drawn from their beta map."""
    generator = np.random.default_rng(seed)
    p = generator.uniform(0.01, 0.99, size=count)
    rates = expit(c + a * np.log(p) - b * np.log(1 - p))
    return two_classes(*p), (generator.uniform(size=count) < rates).astype(int)


def test_binary_is_logistic_regression_on_two_logarithms():
    probabilities, labels = drawn(3000, 0.5, 1.4, -0.3)
    ours = BetaCalibration(smoothing=0).fit(probabilities, labels)
    p = probabilities[:, 1]
    features = np.stack([np.log(p), -np.log(1 - p)], axis=1)
    theirs = LogisticRegression(C=1e8, tol=1e-8, max_iter=1000).fit(features, labels)
    assert theirs.coef_.min() > 0  # the constraint is idle
    learned = [ours.a_[1], ours.b_[1], ours.c_[1]]
    np.testing.assert_allclose(
        learned, [*theirs.coef_[0], theirs.intercept_[0]], atol=2e-3
    )
    np.testing.assert_allclose(
        ours.transform(probabilities), theirs.predict_proba(features), atol=1e-4
    )


def test_two_classes_mirror_each_other_and_need_no_division():
    probabilities, labels = drawn(500, 0.5, 1.4, -0.3)
    fitted = BetaCalibration().fit(probabilities, labels)
    np.testing.assert_allclose(fitted.a_, fitted.b_[::-1], atol=1e-3)
    np.testing.assert_allclose(fitted.c_, -fitted.c_[::-1], atol=1e-3)
    p = probabilities[:, 1]
    expected = fitted.c_[1] + fitted.a_[1] * np.log(p) - fitted.b_[1] * np.log(1 - p)
    np.testing.assert_allclose(
        logit(fitted.transform(probabilities)[:, 1]), expected, atol=5e-3
    )
    assert fitted.num_parameters_ == 3


@pytest.mark.parametrize(("a", "b"), [(-1.0, 1.0), (1.0, -1.0)])
def test_negative_slopes_are_held_at_zero(a, b):
    probabilities, labels = drawn(2000, a, b, 0.0)
    fitted = BetaCalibration(smoothing=0).fit(probabilities, labels)
    bound, free = (fitted.a_, fitted.b_) if a < 0 else (fitted.b_, fitted.a_)
    assert bound[1] == 0
    # The rest is the logistic regression on the other logarithm.
    column = (
        -np.log(1 - probabilities[:, [1]]) if a < 0 else np.log(probabilities[:, [1]])
    )
    theirs = LogisticRegression(C=1e8, tol=1e-8).fit(column, labels)
    assert free[1] == pytest.approx(theirs.coef_[0, 0], abs=2e-3)


def test_calibrated_predictions_stay():
    probabilities, labels = drawn(50_000, 1.0, 1.0, 0.0)
    fitted = BetaCalibration().fit(probabilities, labels)
    # Three parameters learned from N examples move probabilities by about
    # sqrt(3 / N) / 2 = 0.004 in the mean square; five times that at the most.
    error = fitted.transform(probabilities) - probabilities
    assert np.sqrt((error**2).mean()) < 0.02


def test_maps_increase():
    probabilities, labels = miscalibrated()
    fitted = BetaCalibration().fit(probabilities, labels)
    assert fitted.a_.min() >= 0
    assert fitted.b_.min() >= 0
    assert fitted.num_parameters_ == 12


def test_the_rest_keeps_its_digits_near_one():
    rare = 1e-30
    log_p, log_rest = _features(np.array([[1.0, rare, rare]]))
    np.testing.assert_allclose(log_rest[0], np.log(2 * rare))
    np.testing.assert_allclose(log_p[:, 0], [0, np.log(rare), np.log(rare)])
    np.testing.assert_array_equal(log_rest[1:], 0)


def test_targets_are_those_of_platt_for_two_classes_and_two_prior_examples():
    hits = np.array([True, True, True, False])
    # One example more of each kind: three of four hits become four of five.
    np.testing.assert_allclose(_targets(hits, 2.0, 2), [4 / 5, 4 / 5, 4 / 5, 1 / 3])
    np.testing.assert_array_equal(_targets(hits, 0.0, 2), hits)
    np.testing.assert_array_equal(_targets(hits[:3], 0.0, 2), 1)


def test_a_class_without_an_example_is_not_ruled_out():
    probabilities, labels = miscalibrated(400, 4)
    result = BetaCalibration().fit_transform(probabilities, labels % 3)[:, 3]
    # Its target is (1 / 4) / (400 + 1) for every example.
    assert 1e-4 < result.mean() < 2e-3


def test_it_helps():
    probabilities, labels = miscalibrated(2000)
    result = BetaCalibration().fit_transform(probabilities, labels)
    assert nll(result, labels) < nll(probabilities, labels) - 0.1
