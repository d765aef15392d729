"""Binning by hand and by loop, edges included; Wilson against published values."""

import dataclasses
import math
import re

import numpy as np
import pytest

from calibration import ReliabilityDiagram, reliability_diagram, wilson_interval
from calibration._bins import bin_edges, find_bins
from calibration.reliability import class_reliability_diagrams, confidence_diagram
from tests.calibration.examples import random_labels, random_probabilities, two_classes


def brute_force_bins(probabilities, labels, num_bins):
    """Return {bin: [(confidence, correct)]}, by looking through the bins in turn."""
    bins = {}
    for row, label in zip(probabilities, labels, strict=True):
        confidence, correct = max(row), int(np.argmax(row)) == label
        for b in range(num_bins):
            inside = b / num_bins < confidence <= (b + 1) / num_bins
            if inside or (b == 0 and confidence == 0):
                bins.setdefault(b, []).append((confidence, correct))
    return bins


def test_five_points_in_two_of_five_bins_by_hand():
    # Confidences .55 .6 .65 .95 1; right: first, third, fifth.
    probabilities = two_classes(0.55, 0.6, 0.65, 0.95, 1.0)
    diagram = reliability_diagram(probabilities, [1, 0, 1, 0, 1], num_bins=5)
    assert diagram.lower.tolist() == [0.4, 0.6, 0.8]
    assert diagram.upper.tolist() == [0.6, 0.8, 1.0]
    assert diagram.count.tolist() == [2, 1, 2]
    assert diagram.confidence == pytest.approx([0.575, 0.65, 0.975])
    assert diagram.accuracy.tolist() == [0.5, 1.0, 0.5]
    assert (diagram.num_bins, diagram.num_examples) == (5, 5)
    gaps = (2 * 0.075 + 1 * 0.35 + 2 * 0.475) / 5
    assert diagram.ece == pytest.approx(gaps)


@pytest.mark.parametrize("num_bins", [1, 2, 7, 15, 100])
def test_bins_equal_those_of_a_loop(num_bins):
    probabilities, labels = random_probabilities(500, 4), random_labels(500, 4)
    diagram = reliability_diagram(probabilities, labels, num_bins)
    expected = brute_force_bins(probabilities, labels, num_bins)
    keys = sorted(expected)
    means = np.array([np.mean(expected[key], axis=0) for key in keys])
    assert diagram.count.tolist() == [len(expected[key]) for key in keys]
    np.testing.assert_allclose(diagram.lower, np.array(keys) / num_bins)
    np.testing.assert_allclose(diagram.confidence, means[:, 0])
    np.testing.assert_allclose(diagram.accuracy, means[:, 1])


def test_all_examples_are_counted_once_and_no_bin_is_empty():
    diagram = reliability_diagram(random_probabilities(99, 3), random_labels(99, 3))
    assert diagram.count.sum() == diagram.num_examples == 99
    assert diagram.count.min() >= 1
    assert np.all(diagram.lower < diagram.confidence)
    assert np.all(diagram.confidence <= diagram.upper)


@pytest.mark.parametrize("tenths", range(5, 11))
def test_a_confidence_on_an_edge_belongs_below_it(tenths):
    edge = tenths / 10
    diagram = reliability_diagram(two_classes(edge), [1], num_bins=10)
    assert diagram.upper.tolist() == [edge]
    if tenths < 10:
        above = reliability_diagram(two_classes(np.nextafter(edge, 1)), [1], 10)
        assert above.lower.tolist() == [edge]


def test_schemes_are_checked():
    with pytest.raises(ValueError, match="scheme must be 'width' or 'mass', got 'x'"):
        reliability_diagram([[0.2, 0.8]], [0], scheme="x")


def test_a_diagram_of_equal_mass():
    probabilities, labels = random_probabilities(90, 4), random_labels(90, 4)
    diagram = reliability_diagram(probabilities, labels, 6, "mass")
    assert diagram.count.tolist() == [15] * 6
    assert (diagram.num_bins, diagram.num_examples) == (6, 90)
    assert (diagram.lower[0], diagram.upper[-1]) == (0, 1)
    np.testing.assert_array_equal(diagram.lower[1:], diagram.upper[:-1])
    confidence = np.sort(probabilities.max(axis=1)).reshape(6, 15)
    np.testing.assert_allclose(diagram.confidence, confidence.mean(axis=1))
    correct = probabilities.argmax(axis=1) == labels
    correct = correct[np.argsort(probabilities.max(axis=1))].reshape(6, 15)
    np.testing.assert_allclose(diagram.accuracy, correct.mean(axis=1))


@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_a_diagram_by_class_is_that_of_two_classes(scheme):
    """The class against the rest, of which only one column is asked."""
    probabilities, labels = random_probabilities(300, 4), random_labels(300, 4)
    diagrams = class_reliability_diagrams(probabilities, labels, 7, scheme)
    assert len(diagrams) == 4
    for c, diagram in enumerate(diagrams):
        column, true = probabilities[:, c], labels == c
        index = find_bins(column, bin_edges(column, 7, scheme))
        for row, each in enumerate(np.unique(index)):
            chosen = index == each
            assert diagram.count[row] == chosen.sum()
            assert diagram.confidence[row] == pytest.approx(column[chosen].mean())
            assert diagram.accuracy[row] == pytest.approx(true[chosen].mean())
        assert diagram.count.sum() == diagram.num_examples == 300
        low, high = wilson_interval(
            np.round(diagram.accuracy * diagram.count), diagram.count
        )
        np.testing.assert_allclose(diagram.accuracy_low, low)
        np.testing.assert_allclose(diagram.accuracy_high, high)


def test_the_diagram_of_all_confidences_pools_those_of_the_classes():
    probabilities, labels = random_probabilities(300, 4), random_labels(300, 4)
    pooled = confidence_diagram(probabilities, labels, 5)
    by_class = class_reliability_diagrams(probabilities, labels, 5)
    assert pooled.num_examples == pooled.count.sum() == 1200
    for row, lower in enumerate(pooled.lower):
        rows = [(d, list(d.lower).index(lower)) for d in by_class if lower in d.lower]
        count = np.array([d.count[k] for d, k in rows])
        accuracy = np.array([d.accuracy[k] for d, k in rows])
        confidence = np.array([d.confidence[k] for d, k in rows])
        assert pooled.count[row] == count.sum()
        assert pooled.accuracy[row] == pytest.approx(count @ accuracy / count.sum())
        assert pooled.confidence[row] == pytest.approx(count @ confidence / count.sum())
    equal = confidence_diagram(probabilities, labels, 5, "mass")
    assert equal.count.tolist() == [240] * 5


def test_other_diagrams_check_their_arguments():
    for make in (class_reliability_diagrams, confidence_diagram):
        with pytest.raises(ValueError, match="num_bins must be an integer"):
            make([[0.2, 0.8]], [0], 0)
        with pytest.raises(ValueError, match=r"labels must be in 0\.\.1"):
            make([[0.2, 0.8]], [2])
        with pytest.raises(ValueError, match="scheme must be"):
            make([[0.2, 0.8]], [0], 3, "depth")


def test_certainty_falls_in_the_last_bin_and_not_past_it():
    diagram = reliability_diagram(two_classes(1.0, 0.99, 0.0), [1, 1, 0])
    assert diagram.upper.tolist() == [1.0]
    assert diagram.count.tolist() == [3]


def test_a_certain_and_right_model_has_no_error():
    assert reliability_diagram(np.eye(4), np.arange(4)).ece == 0.0


def test_a_certain_and_wrong_model_has_all_of_it():
    assert reliability_diagram(np.eye(2), [1, 0]).ece == 1.0


def test_one_example_fills_one_bin():
    diagram = reliability_diagram([[0.2, 0.8]], [0])
    assert diagram.count.tolist() == [1]
    assert diagram.ece == pytest.approx(0.8)


def test_gaps_in_one_bin_cancel_and_in_two_do_not():
    # A known property of binning: it is why the number of bins is reported.
    probabilities = two_classes(0.6, 0.9)
    assert reliability_diagram(probabilities, [1, 0], 1).ece == pytest.approx(0.25)
    assert reliability_diagram(probabilities, [1, 0], 10).ece == pytest.approx(0.65)


def test_samples_are_averaged_before_binning():
    samples = random_probabilities(8, 60, 3)
    labels = random_labels(60, 3)
    diagram = reliability_diagram(samples, labels)
    expected = reliability_diagram(samples.mean(axis=0), labels)
    assert diagram.ece == pytest.approx(expected.ece, rel=1e-12)
    assert diagram.count.tolist() == expected.count.tolist()


def test_intervals_are_wilsons_of_each_bin():
    diagram = reliability_diagram(random_probabilities(80, 3), random_labels(80, 3))
    hits = diagram.accuracy * diagram.count
    low, high = wilson_interval(np.round(hits), diagram.count)
    np.testing.assert_allclose(diagram.accuracy_low, low)
    np.testing.assert_allclose(diagram.accuracy_high, high)


def test_a_diagram_cannot_be_changed():
    diagram = reliability_diagram([[0.2, 0.8]], [0])
    assert isinstance(diagram, ReliabilityDiagram)
    with pytest.raises(dataclasses.FrozenInstanceError):
        diagram.num_bins = 3


def test_number_of_bins_is_checked():
    with pytest.raises(ValueError, match="num_bins must be an integer of at least 1"):
        reliability_diagram([[0.2, 0.8]], [0], num_bins=0)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_equals_published_values(successes, count, low, high):
    ends = wilson_interval(successes, count)
    assert [round(float(end), 4) for end in ends] == [low, high]


def test_wilson_ends_solve_the_score_equation():
    successes, counts = np.array([3, 7, 40]), np.array([10, 9, 80])
    z = 1.6448536269514722  # of 90 % coverage
    for end in wilson_interval(successes, counts, confidence=0.9):
        distance = np.abs(successes / counts - end)
        np.testing.assert_allclose(distance, z * np.sqrt(end * (1 - end) / counts))


def test_wilson_interval_stays_inside_and_around_the_proportion():
    counts = np.repeat(np.arange(1, 41), 41)
    successes = np.minimum(np.tile(np.arange(41), 40), counts)
    low, high = wilson_interval(successes, counts)
    share = successes / counts
    assert np.all((low >= 0) & (low <= share) & (share <= high) & (high <= 1))
    assert np.all(high - low > 0)
    assert np.all(low[successes == 0] == 0)
    assert np.all(high[successes == counts] == 1)


def test_wilson_interval_narrows_with_examples_and_widens_with_confidence():
    widths = [np.subtract(*wilson_interval(n // 2, n)[::-1]) for n in (10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    narrow, wide = (wilson_interval(5, 10, level) for level in (0.8, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((1, 2, 1.0), "confidence must be between 0 and 1, got 1.0."),
        ((1, 2, 0), "confidence must be between 0 and 1, got 0."),
        (([0, 0], [4, 0]), "counts must be at least 1, got 0."),
        (([1, 5], [4, 4]), "successes must be in 0..counts, got [1.0, 5.0] of [4.0"),
        ((-1, 4), "successes must be in 0..counts, got -1.0 of 4.0."),
        ((math.nan, 4), "successes must be in 0..counts, got nan of 4.0."),
    ],
)
def test_wilson_interval_refuses_impossible_counts(args, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        wilson_interval(*args)
