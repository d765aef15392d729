"""Headline metrics: by hand, against scikit-learn, by loop, by invariance."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from calibration import (
    accuracy,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_diagram,
)
from tests.calibration.examples import random_labels, random_probabilities, two_classes

METRICS = [accuracy, negative_log_likelihood, brier_score, expected_calibration_error]
each_metric = pytest.mark.parametrize("metric", METRICS)

PROBABILITIES = random_probabilities(200, 5)
LABELS = random_labels(200, 5)


def test_three_points_by_hand():
    probabilities = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]]
    labels = [0, 2, 2]
    assert accuracy(probabilities, labels) == pytest.approx(2 / 3)
    nll = -(math.log(0.7) + math.log(0.3) + math.log(0.5)) / 3
    assert negative_log_likelihood(probabilities, labels) == pytest.approx(nll)
    distances = [0.09 + 0.04 + 0.01, 0.01 + 0.36 + 0.49, 0.0625 + 0.0625 + 0.25]
    assert brier_score(probabilities, labels) == pytest.approx(sum(distances) / 3)
    ece = (0.3 + 0.6 + 0.5) / 3  # each alone in its bin
    assert expected_calibration_error(probabilities, labels) == pytest.approx(ece)


def test_metrics_equal_scikit_learn():
    predicted = PROBABILITIES.argmax(axis=1)
    assert accuracy(PROBABILITIES, LABELS) == accuracy_score(LABELS, predicted)
    nll = negative_log_likelihood(PROBABILITIES, LABELS)
    assert nll == pytest.approx(log_loss(LABELS, PROBABILITIES), rel=1e-12)


def test_brier_score_is_the_sum_of_scikit_learns_over_classes():
    by_class = [
        brier_score_loss(c == LABELS, PROBABILITIES[:, c], pos_label=True)
        for c in range(5)
    ]
    assert brier_score(PROBABILITIES, LABELS) == pytest.approx(sum(by_class), rel=1e-12)


def test_metrics_equal_loops():
    rows = list(zip(PROBABILITIES, LABELS, strict=True))
    nll = -sum(math.log(row[label]) for row, label in rows) / len(rows)
    assert negative_log_likelihood(PROBABILITIES, LABELS) == pytest.approx(nll)
    brier = sum((row[c] - (c == label)) ** 2 for row, label in rows for c in range(5))
    assert brier_score(PROBABILITIES, LABELS) == pytest.approx(brier / len(rows))


@pytest.mark.parametrize("num_bins", [1, 10, 15])
def test_calibration_error_is_that_of_the_diagram(num_bins):
    ece = expected_calibration_error(PROBABILITIES, LABELS, num_bins)
    assert ece == reliability_diagram(PROBABILITIES, LABELS, num_bins).ece


def test_calibration_error_uses_fifteen_bins_unless_told():
    default = expected_calibration_error(PROBABILITIES, LABELS)
    assert default == expected_calibration_error(PROBABILITIES, LABELS, 15)
    assert default != expected_calibration_error(PROBABILITIES, LABELS, 10)


def test_calibration_error_vanishes_for_labels_drawn_from_the_probabilities():
    """Labels drawn from the model leave sampling error alone.

    A bin of n examples has a gap of about sqrt(p (1 - p) / n) <= 0.5 / sqrt(n), so
    15 bins of N = 40,000 in all give at most 0.5 sqrt(15 / N) = 0.0097 on average.
    """
    second = np.random.default_rng(3).uniform(size=40_000)
    labels = (np.random.default_rng(4).uniform(size=40_000) < second).astype(int)
    assert expected_calibration_error(two_classes(*second), labels) < 0.0097


def test_certain_and_right_is_the_best_score():
    perfect = np.eye(3)
    assert [metric(perfect, [0, 1, 2]) for metric in METRICS] == [1, 0, 0, 0]
    nll = negative_log_likelihood(perfect, [0, 1, 2])
    assert math.copysign(1, nll) == 1  # not -0.0


def test_certain_and_wrong_is_the_worst_score_and_finite():
    wrong = np.eye(3)
    expected = [0, pytest.approx(708.396, abs=1e-3), 2, 1]
    assert [metric(wrong, [1, 2, 0]) for metric in METRICS] == expected


def test_one_example_and_one_class_predicted():
    assert accuracy([[0.5, 0.5]], [0]) == 1.0  # the first of equals
    assert accuracy([[0.5, 0.5]], [1]) == 0.0
    constant = np.tile([0.8, 0.1, 0.1], (30, 1))
    labels = random_labels(30, 3)
    assert accuracy(constant, labels) == pytest.approx(1 / 3)
    assert expected_calibration_error(constant, labels) == pytest.approx(0.8 - 1 / 3)


@each_metric
def test_metrics_are_plain_floats(metric):
    assert type(metric(PROBABILITIES.astype(np.float32), LABELS)) is float


@each_metric
def test_order_of_examples_does_not_matter(metric):
    order = np.random.default_rng(5).permutation(200)
    shuffled = metric(PROBABILITIES[order], LABELS[order])
    assert shuffled == pytest.approx(metric(PROBABILITIES, LABELS), rel=1e-12)


@each_metric
def test_names_of_classes_do_not_matter(metric):
    order = np.array([3, 0, 4, 1, 2])  # new class -> old class
    renamed = metric(PROBABILITIES[:, order], np.argsort(order)[LABELS])
    assert renamed == pytest.approx(metric(PROBABILITIES, LABELS), rel=1e-12)


@each_metric
def test_duplicating_the_data_changes_nothing(metric):
    twice = metric(np.tile(PROBABILITIES, (2, 1)), np.tile(LABELS, 2))
    assert twice == pytest.approx(metric(PROBABILITIES, LABELS), rel=1e-12)


@each_metric
def test_samples_are_judged_by_their_mean(metric):
    samples = random_probabilities(8, 200, 5, seed=6)
    expected = metric(samples.mean(axis=0), LABELS)
    assert metric(samples, LABELS) == pytest.approx(expected, rel=1e-12)
    assert metric(samples, LABELS) != pytest.approx(metric(samples[0], LABELS))


@pytest.mark.parametrize("metric", [negative_log_likelihood, brier_score])
def test_the_mean_scores_no_worse_than_its_samples(metric):
    samples = random_probabilities(8, 200, 5, seed=6)
    scores = [metric(sample, LABELS) for sample in samples]
    assert metric(samples, LABELS) <= np.mean(scores)


@each_metric
def test_arguments_are_checked_and_left_alone(metric):
    probabilities, labels = PROBABILITIES.copy(), LABELS.copy()
    metric(probabilities, labels)
    np.testing.assert_array_equal(probabilities, PROBABILITIES)
    np.testing.assert_array_equal(labels, LABELS)
    with pytest.raises(ValueError, match="Were logits passed by mistake"):
        metric([[4.0, -1.0]], [0])
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.4, got 5 at"):
        metric(PROBABILITIES, LABELS + 1)
