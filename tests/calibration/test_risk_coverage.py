"""Curves of risk against coverage: loops over coverages and over orders of ties."""

import numpy as np
import pytest

from calibration.risk_coverage import reference_areas, risk_coverage_curve
from tests.calibration.examples import random_labels, random_probabilities
from tests.calibration.selection import loop_risks, orders, predictions

WRONG = [0, 1, 0, 0, 1, 1, 0]


def test_a_curve_is_a_loop_over_all_coverages():
    probabilities, labels = random_probabilities(60, 4), random_labels(60, 4)
    curve = risk_coverage_curve(probabilities, labels)
    uncertainty = 1 - probabilities.max(axis=1)
    order = np.argsort(uncertainty)
    risks = loop_risks(probabilities.argmax(axis=1) != labels, order)
    assert curve.coverage == pytest.approx(np.arange(1, 61) / 60)
    assert curve.risk == pytest.approx(risks)
    assert curve.generalised_risk == pytest.approx(risks * np.arange(1, 61) / 60)
    assert np.array_equal(curve.threshold, uncertainty[order])
    assert curve.random == risks[-1]
    assert curve.num_examples == 60


@pytest.mark.parametrize(
    "uncertainty", [[1, 1, 1, 2, 2, 3, 3], [0] * 7, [3, 1, 1, 1, 0, 3, 1]]
)
def test_ties_are_the_mean_over_all_their_orders(uncertainty):
    curve = risk_coverage_curve(*predictions(WRONG), uncertainty)
    risks = np.mean([loop_risks(WRONG, order) for order in orders(uncertainty)], axis=0)
    assert curve.risk == pytest.approx(risks)
    assert np.array_equal(curve.threshold, np.sort(uncertainty))


def test_the_order_of_examples_changes_nothing():
    rng = np.random.default_rng(0)
    wrong, uncertainty = rng.random(200) < 0.3, rng.integers(9, size=200)
    curve = risk_coverage_curve(*predictions(wrong), uncertainty)
    order = rng.permutation(200)
    other = risk_coverage_curve(*predictions(wrong[order]), uncertainty[order])
    assert np.array_equal(curve.risk, other.risk)


def test_the_oracle_refuses_errors_first_and_no_ranking_is_better():
    curve = risk_coverage_curve(*predictions(WRONG), [5, 6, 1, 2, 3, 4, 0])
    assert curve.oracle == pytest.approx([0, 0, 0, 0, 1 / 5, 2 / 6, 3 / 7])
    assert np.all(curve.oracle <= curve.risk)
    perfect = risk_coverage_curve(*predictions(WRONG), WRONG)
    assert np.array_equal(perfect.risk, perfect.oracle)
    blind = risk_coverage_curve(*predictions(WRONG), np.zeros(7))
    assert blind.risk == pytest.approx(np.full(7, blind.random))


def test_samples_are_judged_by_their_mean():
    samples, labels = random_probabilities(5, 30, 3), random_labels(30, 3)
    curve = risk_coverage_curve(samples, labels)
    assert np.array_equal(curve.risk, risk_coverage_curve(samples.mean(0), labels).risk)


@pytest.mark.parametrize("points", [1, 2, 10, 99, 100, 1000])
def test_long_curves_are_thinned_and_end_at_full_coverage(points):
    rng = np.random.default_rng(0)
    inputs = *predictions(rng.random(100) < 0.2), rng.random(100)
    full = risk_coverage_curve(*inputs)
    thin = risk_coverage_curve(*inputs, max_points=points)
    assert len(thin.coverage) == min(points, 100)
    assert thin.coverage[-1] == 1
    assert np.all(np.diff(thin.coverage) > 0)
    assert set(thin.coverage) <= set(full.coverage)
    assert set(thin.risk) <= set(full.risk)


def test_one_example():
    curve = risk_coverage_curve(*predictions([1]))
    fields = curve.coverage, curve.risk, curve.oracle, curve.random
    assert fields == ([1], [1], [1], 1)


@pytest.mark.parametrize("errors", [0, 1, 3, 7])
def test_reference_areas_are_means_over_coverages_and_orders(errors):
    """A random ranking accepts E/N errors per example at any coverage."""
    wrong = np.arange(7) >= 7 - errors
    oracle, blind = reference_areas(errors, 7)
    assert oracle == pytest.approx(loop_risks(wrong, np.arange(7)).mean())
    assert blind == errors / 7


def test_the_oracle_area_tends_to_its_limit():
    """The limit r + (1 - r) log(1 - r), of Geifman et al. (2019), is 1/N away."""
    oracle, _ = reference_areas(20_000, 100_000)
    assert oracle == pytest.approx(0.2 + 0.8 * np.log(0.8), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, 0), "num_examples must be .* got 0"),
        ((4, 3), "num_errors must be an integer in 0..3, got 4"),
        ((-1, 3), "got -1"),
        ((0.5, 3), "got 0.5"),
    ],
)
def test_impossible_numbers_have_no_reference(arguments, text):
    with pytest.raises(ValueError, match=text):
        reference_areas(*arguments)


@pytest.mark.parametrize(
    ("uncertainty", "text"),
    [
        ([0.1, 0.2], r"one number for each of 3 examples, got shape \(2,\)"),
        ([0.1, np.nan, 0.2], r"finite, got nan at uncertainty\[1\]"),
        ([0.1, 0.2, np.inf], r"got inf at uncertainty\[2\]"),
        (["a", "b", "c"], "must be numbers, got dtype"),
    ],
)
def test_bad_uncertainty_is_refused(uncertainty, text):
    with pytest.raises(ValueError, match=text):
        risk_coverage_curve(*predictions([0, 1, 0]), uncertainty)


def test_a_curve_needs_points_and_examples():
    with pytest.raises(ValueError, match=r"max_points must be .* got 0"):
        risk_coverage_curve(*predictions([0, 1]), max_points=0)
    with pytest.raises(ValueError, match="non-empty"):
        risk_coverage_curve(np.zeros((0, 2)), np.zeros(0, dtype=int))
