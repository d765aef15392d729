"""Headline metrics: by hand, against scikit-learn, by loop, by invariance."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from calibration.estimate import Estimate
from calibration.intervals import mean, proportion
from calibration.metrics import (
    accuracy,
    brier_of_examples,
    brier_score,
    hits_of_examples,
    mean_confidence,
    negative_log_likelihood,
    nll_of_examples,
    sharpness,
)
from tests.calibration.examples import random_labels, random_probabilities, two_classes

METRICS = [accuracy, negative_log_likelihood, brier_score]
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
    assert mean_confidence(probabilities) == pytest.approx((0.7 + 0.6 + 0.5) / 3)
    squares = (0.49 + 0.04 + 0.01) + (0.01 + 0.36 + 0.09) + (0.0625 * 2 + 0.25)
    assert sharpness(probabilities) == pytest.approx(squares / 3)


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


def test_certain_and_right_is_the_best_score():
    perfect = np.eye(3)
    assert [metric(perfect, [0, 1, 2]) for metric in METRICS] == [1, 0, 0]
    nll = negative_log_likelihood(perfect, [0, 1, 2])
    assert math.copysign(1, nll) == 1  # not -0.0


def test_certain_and_wrong_is_the_worst_score_and_finite():
    wrong = np.eye(3)
    expected = [0, pytest.approx(708.396, abs=1e-3), 2]
    assert [metric(wrong, [1, 2, 0]) for metric in METRICS] == expected


def test_one_example_and_one_class_predicted():
    assert accuracy([[0.5, 0.5]], [0]) == 1.0  # the first of equals
    assert accuracy([[0.5, 0.5]], [1]) == 0.0
    constant = np.tile([0.8, 0.1, 0.1], (30, 1))
    labels = random_labels(30, 3)
    assert accuracy(constant, labels) == pytest.approx(1 / 3)


@each_metric
def test_metrics_carry_the_intervals_of_proportions_and_means(metric):
    per_example = [metric(PROBABILITIES[[n]], LABELS[[n]]) for n in range(200)]
    for groups in (None, np.arange(200) % 40):
        estimate = metric(PROBABILITIES, LABELS, groups=groups)
        assert isinstance(estimate, Estimate)
        if metric is accuracy:
            expected = proportion(np.array(per_example) == 1, groups)
        else:
            expected = mean(per_example, (0, math.inf), groups)
        assert estimate == pytest.approx(float(expected), rel=1e-12)
        assert estimate.low == pytest.approx(expected.low, rel=1e-12)
        assert estimate.high == pytest.approx(expected.high, rel=1e-12)
        assert (estimate.method, estimate.count) == (expected.method, 200)


@each_metric
def test_one_example_leaves_all_of_the_range_possible(metric):
    estimate = metric([[0.2, 0.8]], [1])
    # Wilson's interval of 1 of 1 starts at 1 / (1 + 1.96^2).
    lowest = 1 / (1 + 1.959964**2) if metric is accuracy else 0
    assert estimate.low == pytest.approx(lowest)
    highest = {accuracy: 1, brier_score: 2, negative_log_likelihood: 708.396}
    assert estimate.high == pytest.approx(highest[metric])


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
    with pytest.raises(ValueError, match="groups must be a vector with one entry"):
        metric(PROBABILITIES, LABELS, groups=[1, 2])


@pytest.mark.parametrize("num_classes", [1, 2, 10])
def test_sharpness_and_confidence_reach_from_chance_to_certainty(num_classes):
    for measure in (sharpness, mean_confidence):
        equal = measure(np.full((20, num_classes), 1 / num_classes))
        assert equal == pytest.approx(1 / num_classes)
        assert measure(np.eye(num_classes)) == 1.0


def test_sharpness_and_confidence_take_clusters_and_samples():
    samples = random_probabilities(8, 200, 5, seed=6)
    rows, groups = samples.mean(axis=0), np.arange(200) % 40
    expected = {sharpness: (rows**2).sum(axis=1), mean_confidence: rows.max(axis=1)}
    for measure, values in expected.items():
        estimate, by_hand = measure(samples, groups), mean(values, (0, 1), groups)
        assert estimate == pytest.approx(float(by_hand), rel=1e-12)
        assert estimate.low == pytest.approx(by_hand.low, rel=1e-12)
        assert estimate.high == pytest.approx(by_hand.high, rel=1e-12)
        with pytest.raises(ValueError, match="must sum to 1"):
            measure([[0.5, 0.2]])


def test_brier_score_of_labels_drawn_from_the_model_is_one_less_the_sharpness():
    """Both are means of numbers in 0..2: 4 deviations of 1 / sqrt(N) are 0.02."""
    second = np.random.default_rng(3).uniform(size=40_000)
    labels = (np.random.default_rng(4).uniform(size=40_000) < second).astype(int)
    probabilities = two_classes(*second)
    expected = 1 - sharpness(probabilities)
    assert brier_score(probabilities, labels) == pytest.approx(expected, abs=0.02)


def test_what_examples_add_averages_to_the_measures():
    for of_examples, metric in (
        (hits_of_examples, accuracy),
        (nll_of_examples, negative_log_likelihood),
        (brier_of_examples, brier_score),
    ):
        values = of_examples(PROBABILITIES, LABELS)
        assert values.mean() == pytest.approx(metric(PROBABILITIES, LABELS), rel=1e-12)
        alone = [float(metric(PROBABILITIES[[n]], LABELS[[n]])) for n in range(200)]
        np.testing.assert_allclose(values, alone, rtol=1e-12)


def test_rounding_leaves_no_score_of_an_example_below_0():
    rows = np.nextafter(np.tile([0.0, 1.0], (3, 1)), [[1, 0], [0, 0], [1, 2]])
    assert brier_of_examples(rows, np.ones(3, dtype=int)).min() >= 0
