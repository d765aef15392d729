"""Histogram binning by hand: edges, empty bins, smoothing, rows of zeros."""

import numpy as np
import pytest

from calibration.recalibration import HistogramBinning
from calibration.reliability import class_reliability_diagrams
from tests.calibration.examples import two_classes
from tests.calibration.recalibration.data import miscalibrated


def rates(method, *scores):
    """What the second class's map gives, before rows are divided by their sum."""
    return method._map(1, np.array(scores, dtype=np.float64))


def test_rates_by_hand():
    probabilities = two_classes(0.1, 0.2, 0.3, 0.6, 0.7, 0.8)
    labels = np.array([0, 0, 1, 0, 1, 1])
    fitted = HistogramBinning(num_bins=2, smoothing=0).fit(probabilities, labels)
    np.testing.assert_allclose(rates(fitted, 0.4, 0.9), [1 / 3, 2 / 3])
    np.testing.assert_allclose(
        fitted.transform(two_classes(0.4, 0.9)), two_classes(1 / 3, 2 / 3)
    )
    assert fitted.num_parameters_ == 4


def test_bins_are_right_closed_with_0_in_the_first_and_1_in_the_last():
    probabilities = two_classes(0.0, 0.5, 0.5, 1.0)
    fitted = HistogramBinning(num_bins=2, smoothing=0)
    fitted.fit(probabilities, np.array([0, 1, 1, 0]))
    expected = [2 / 3, 2 / 3, 0, 0]
    np.testing.assert_allclose(rates(fitted, 0, 0.5, 0.500001, 1), expected)


@pytest.mark.parametrize("num_bins", [3, 7, 10, 15])
def test_edges_are_the_nearest_floats_to_fractions(num_bins):
    edges = [i / num_bins for i in range(num_bins + 1)]
    fitted = HistogramBinning(num_bins=num_bins).fit(*miscalibrated())
    for own in fitted.edges_:
        np.testing.assert_array_equal(own, edges)


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 5.0])
def test_an_empty_bin_gives_its_middle(smoothing):
    fitted = HistogramBinning(num_bins=4, smoothing=smoothing)
    fitted.fit(two_classes(0.1, 0.9), np.array([0, 1]))
    np.testing.assert_allclose(rates(fitted, 0.3, 0.7), [0.375, 0.625])


def test_smoothing_adds_examples_of_the_middle():
    fitted = HistogramBinning(num_bins=4, smoothing=2.0)
    fitted.fit(two_classes(0.1, 0.2, 0.9), np.array([0, 0, 1]))
    expected = [(0 + 2 * 0.125) / 4, (1 + 2 * 0.875) / 3]
    np.testing.assert_allclose(rates(fitted, 0.1, 0.9), expected)


def test_bins_of_equal_mass_hold_as_many_examples():
    probabilities, labels = miscalibrated(600, 3)
    fitted = HistogramBinning(num_bins=6, equal_mass=True).fit(probabilities, labels)
    for k, edges in enumerate(fitted.edges_):
        index = np.searchsorted(edges[1:-1], probabilities[:, k])
        np.testing.assert_array_equal(np.bincount(index), 100)


@pytest.mark.parametrize("equal_mass", [False, True])
def test_bins_are_those_of_the_diagrams_of_the_classes(equal_mass):
    probabilities, labels = miscalibrated(100, 3)
    fitted = HistogramBinning(num_bins=7, equal_mass=equal_mass)
    fitted.fit(probabilities, labels)
    scheme = "mass" if equal_mass else "width"
    diagrams = class_reliability_diagrams(probabilities, labels, 7, scheme)
    for edges, diagram in zip(fitted.edges_, diagrams, strict=True):
        # Rows are first divided by their sum, which is 1 but for rounding.
        np.testing.assert_allclose(edges[1:], diagram.upper, rtol=1e-12)


def test_equal_edges_are_merged():
    probabilities = two_classes(*[0.0] * 50, *[1.0] * 40, 0.3, 0.6)
    labels = np.repeat([0, 1], 46)
    method = HistogramBinning(num_bins=10, equal_mass=True).fit(probabilities, labels)
    for edges, values in zip(method.edges_, method.rates_, strict=True):
        assert np.diff(edges[1:-1]).min() > 0
        assert len(values) == len(edges) - 1


@pytest.mark.parametrize("equal_mass", [False, True])
def test_smoothing_leaves_nothing_impossible(equal_mass):
    probabilities, labels = miscalibrated(300, 10, temperature=0.05)
    probabilities[:150] = np.eye(10)[probabilities[:150].argmax(axis=1)]
    fitted = HistogramBinning(equal_mass=equal_mass).fit(probabilities, labels % 9)
    # A tenth of 0.5 / 15 prior hits in a bin of 300, divided by a sum of at most 10.
    assert fitted.transform(np.eye(10)).min() > 0.5 / 15 / 301 / 10


def test_a_row_of_zeros_is_left_as_it_was():
    probabilities = np.array([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])
    probabilities = np.concatenate([probabilities, [[0.9, 0.05, 0.05]]])
    # Below 0.5 no class is hit, as all labels are of the class held likely.
    method = HistogramBinning(num_bins=2, smoothing=0)
    method.fit(np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]]),
               np.array([0, 1, 2]))  # fmt: skip
    result = method.transform(probabilities)
    np.testing.assert_allclose(result[:3], probabilities[:3])
    np.testing.assert_allclose(result[3], [1, 0, 0])


def test_num_bins_is_a_count():
    with pytest.raises(ValueError, match="num_bins must be an integer of at least 1"):
        HistogramBinning(num_bins=0).fit(*miscalibrated())


def test_it_needs_an_example_a_bin():
    assert HistogramBinning().obstacle(15, 2) is None
    assert HistogramBinning().obstacle(14, 2) == "needs at least 15 examples, got 14"
    assert HistogramBinning().obstacle(15, 8) == "needs at least 16 examples, got 15"


def test_text_is_no_number_of_bins():
    with pytest.raises(ValueError, match="num_bins must be an integer"):
        HistogramBinning("5").obstacle(100, 3)
