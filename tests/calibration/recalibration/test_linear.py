"""Vector and matrix scaling against scikit-learn, finite differences and each other."""

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from sklearn.linear_model import LogisticRegression

from calibration.recalibration import (
    MatrixScaling,
    TemperatureScaling,
    VectorScaling,
)
from calibration.recalibration.linear import (
    INTERCEPT_DEVIATION,
    LIMIT,
    OFF_DIAGONAL_DEVIATION,
    _likelihood,
    _odir,
)
from tests.calibration.examples import softmax
from tests.calibration.recalibration.data import miscalibrated, nll


def odir_loss(matrix, bias, probabilities, labels, off_diagonal, intercept):
    """The loss of Kull et al., as their paper writes it."""
    outputs = softmax(np.log(probabilities) @ matrix.T + bias)
    size = len(bias)
    off = sum(matrix[i, j] ** 2 for i in range(size) for j in range(size) if i != j)
    return (
        nll(outputs, labels)
        + off_diagonal * off / (size * (size - 1))
        + intercept * (bias**2).mean()
    )


@pytest.mark.parametrize("diagonal", [True, False])
def test_gradients_are_exact(diagonal):
    probabilities, labels = miscalibrated(60, 3)
    likelihood = _likelihood(np.log(probabilities.T), labels, diagonal)
    shape = (3,) if diagonal else (3, 3)

    def loss(values):
        return likelihood(values[:-3].reshape(shape), values[-3:])[0]

    def slopes(values):
        _, weights, bias = likelihood(values[:-3].reshape(shape), values[-3:])
        return np.concatenate([weights.ravel(), bias])

    point = np.random.default_rng(0).normal(size=np.prod(shape) + 3)
    # Forward differences of step 1.5e-8 err by about 1e-7 here.
    assert check_grad(loss, slopes, point) < 3e-6


def test_an_unregularised_matrix_is_multinomial_logistic_regression():
    probabilities, labels = miscalibrated(2000, 4)
    ours = MatrixScaling(off_diagonal=0.0, intercept=0.0)
    result = ours.fit_transform(probabilities, labels)
    theirs = LogisticRegression(C=1e8, tol=1e-8, max_iter=5000)
    theirs.fit(np.log(probabilities), labels)
    # The minimum is flat: equal losses first, then the probabilities they allow.
    expected = theirs.predict_proba(np.log(probabilities))
    assert nll(result, labels) == pytest.approx(nll(expected, labels), abs=1e-6)
    np.testing.assert_allclose(result, expected, atol=2e-3)


@pytest.mark.parametrize(("off_diagonal", "intercept"), [(0.5, 0.1), (20.0, 3.0)])
def test_odir_is_the_loss_of_the_paper(off_diagonal, intercept):
    probabilities, labels = miscalibrated(300, 3)
    fitted = MatrixScaling(off_diagonal, intercept).fit(probabilities, labels)

    def loss(values):
        matrix, bias = values[:9].reshape(3, 3), values[9:]
        return odir_loss(matrix, bias, probabilities, labels, off_diagonal, intercept)

    searched = minimize(loss, np.append(np.eye(3).ravel(), [0, 0, 0]))
    found = np.append(fitted.matrix_.ravel(), fitted.bias_)
    assert loss(found) == pytest.approx(searched.fun, abs=1e-6)
    np.testing.assert_allclose(found, searched.x, atol=5e-3)


def test_without_strengths_the_penalty_is_a_gaussian_prior():
    pull, shift_pull = _odir(50, np.eye(3), None, None)
    off = 1 / (2 * 50 * OFF_DIAGONAL_DEVIATION**2)
    np.testing.assert_allclose(pull, off * (1 - np.eye(3)))
    assert shift_pull == pytest.approx(1 / (2 * 50 * INTERCEPT_DEVIATION**2))


@pytest.mark.parametrize("strength", [1e4, 1e9])
def test_a_matrix_without_room_beside_its_diagonal_is_vector_scaling(strength):
    probabilities, labels = miscalibrated()
    matrix = MatrixScaling(off_diagonal=strength, intercept=0.1)
    vector = VectorScaling(intercept=0.1)
    np.testing.assert_allclose(
        matrix.fit_transform(probabilities, labels),
        vector.fit_transform(probabilities, labels),
        atol=2e-3,
    )


@pytest.mark.parametrize("seed", range(4))
def test_each_is_better_on_the_fitting_data_than_the_one_it_contains(seed):
    probabilities, labels = miscalibrated(80, 4, seed)
    methods = [
        TemperatureScaling(),
        VectorScaling(intercept=0.0),
        MatrixScaling(off_diagonal=0.0, intercept=0.0),
    ]
    losses = [nll(m.fit_transform(probabilities, labels), labels) for m in methods]
    losses = [nll(probabilities, labels), *losses]
    # The minimum is found to about 1e-9 of the loss an iteration.
    assert np.all(np.diff(losses) < 1e-6)


@pytest.mark.parametrize("method", [VectorScaling(), MatrixScaling()], ids=repr)
class TestDefaults:
    @pytest.mark.parametrize("seed", range(4))
    def test_are_never_worse_than_nothing_on_the_fitting_data(self, method, seed):
        for count in (2, 7, 80):
            probabilities, labels = miscalibrated(count, 4, seed)
            result = method.fit_transform(probabilities, labels)
            assert nll(result, labels) <= nll(probabilities, labels)

    def test_learn_little_from_little(self, method):
        # One row of a calibrated model; 10 classes, of which it names one.
        probabilities = np.full((1, 10), 0.02)
        probabilities[0, 0] = 0.82
        method.fit(probabilities, np.array([4]))
        # The gradient by a shift is below 1, and its prior has variance 1.
        assert np.abs(method.bias_).max() <= 1

    def test_do_not_rule_out_a_class_without_an_example(self, method):
        probabilities, labels = miscalibrated(400, 4)
        labels %= 3
        result = method.fit_transform(probabilities, labels)[:, 3]
        # It has no likelihood to gain, and still keeps about 1 / N.
        assert 1e-4 < result.mean() < probabilities[:, 3].mean() / 3

    def test_entries_stay_within_the_limit_where_labels_are_foreseen(self, method):
        labels = np.arange(60) % 3
        probabilities = 0.4 * np.eye(3)[labels] + 0.2
        method.fit(probabilities, labels)
        learned = [value for value in vars(method).values() if np.ndim(value)]
        assert max(np.abs(value).max() for value in learned) <= LIMIT
        assert nll(method.transform(probabilities), labels) < 1e-3


def test_blocks_change_nothing(monkeypatch):
    probabilities, labels = miscalibrated()
    whole = MatrixScaling().fit_transform(probabilities, labels)
    monkeypatch.setattr("calibration.recalibration.linear.BLOCK_SIZE", 28)
    parts = MatrixScaling().fit_transform(probabilities, labels)
    np.testing.assert_allclose(parts, whole, atol=1e-4)


def test_numbers_learned_and_examples_needed():
    probabilities, labels = miscalibrated(100, 4)
    assert VectorScaling().fit(probabilities, labels).num_parameters_ == 8
    assert MatrixScaling().fit(probabilities, labels).num_parameters_ == 20
    assert VectorScaling().obstacle(8, 4) is None
    assert VectorScaling().obstacle(7, 4) == "needs at least 8 examples, got 7"
    assert MatrixScaling().obstacle(20, 4) is None
    assert MatrixScaling().obstacle(19, 4) == "needs at least 20 examples, got 19"
    reason = MatrixScaling().obstacle(10**6, 101)
    assert reason == "takes at most 100 classes, got 101"
