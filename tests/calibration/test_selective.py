"""Measures of selective prediction: brute force, references, intervals."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from calibration.intervals import wilson_interval
from calibration.risk_coverage import reference_areas, risk_coverage_curve
from calibration.selective import (
    area_under_generalised_risk_coverage,
    area_under_risk_coverage,
    coverage_at_risk,
    excess_area,
    risk_at_coverage,
)
from tests.calibration.examples import (
    calibrated,
    random_labels,
    random_probabilities,
    two_classes,
)
from tests.calibration.selection import loop_risks, orders, predictions, rising

MEASURES = [
    area_under_risk_coverage,
    area_under_generalised_risk_coverage,
    excess_area,
    coverage_at_risk,
    risk_at_coverage,
]
each_measure = pytest.mark.parametrize("measure", MEASURES)
WRONG = [0, 1, 0, 0, 1, 1, 0]
TIED = [1, 1, 1, 2, 2, 3, 3]


def test_aurc_is_the_mean_risk_over_coverages_and_orders_of_ties():
    area = area_under_risk_coverage(*predictions(WRONG), TIED)
    loops = [loop_risks(WRONG, order).mean() for order in orders(TIED)]
    assert area == pytest.approx(np.mean(loops))


def test_the_default_uncertainty_is_one_minus_the_largest_probability():
    samples, labels = random_probabilities(4, 80, 3), random_labels(80, 3)
    mean = samples.mean(axis=0)
    for measure in MEASURES:
        given = measure(samples, labels, 1 - mean.max(axis=1))
        assert measure(samples, labels).as_dict() == given.as_dict()


@pytest.mark.parametrize("distinct", [3, 10, 10**6])
def test_augrc_is_the_probability_of_an_accepted_error(distinct):
    """Pairs of examples by loop, and the paper's form with the AUROC of errors."""
    rng = np.random.default_rng(distinct)
    wrong, uncertainty = rng.random(50) < 0.4, rng.integers(distinct, size=50)
    area = area_under_generalised_risk_coverage(*predictions(wrong), uncertainty)
    pairs = [
        wrong[i]
        * ((uncertainty[i] < uncertainty[j]) + (uncertainty[i] == uncertainty[j]) / 2)
        for i in range(50)
        for j in range(50)
    ]
    assert area == pytest.approx(np.mean(pairs))
    right = 1 - wrong.mean()
    separation = roc_auc_score(wrong, uncertainty)
    paper = (1 - separation) * right * (1 - right) + (1 - right) ** 2 / 2
    assert area == pytest.approx(paper)


def test_a_perfect_ranking_is_the_oracle():
    inputs = *predictions(WRONG), [0, 3, 1, 1, 5, 4, 2]
    assert excess_area(*inputs) == 0.0
    assert area_under_risk_coverage(*inputs) == pytest.approx(reference_areas(3, 7)[0])
    assert area_under_generalised_risk_coverage(*inputs) == pytest.approx(
        (3 / 7) ** 2 / 2
    )
    assert coverage_at_risk(*inputs, risk=0) == 4 / 7
    assert risk_at_coverage(*inputs, coverage=4 / 7) == 0.0


def test_constant_uncertainty_is_a_random_ranking():
    inputs = *predictions(WRONG), np.ones(7)
    oracle, blind = reference_areas(3, 7)
    assert area_under_risk_coverage(*inputs) == pytest.approx(blind)
    assert area_under_generalised_risk_coverage(*inputs) == pytest.approx(blind / 2)
    assert excess_area(*inputs) == pytest.approx(blind - oracle)
    assert coverage_at_risk(*inputs, risk=3 / 7) == 1.0
    assert coverage_at_risk(*inputs, risk=0.42) == 0.0
    assert risk_at_coverage(*inputs, coverage=0.1) == pytest.approx(3 / 7)


@pytest.mark.parametrize("risk", [0.0, 0.05, 0.1, 0.25, 0.5, 1.0])
def test_coverage_at_risk_is_a_loop_over_the_curve(risk):
    wrong, uncertainty = rising(100, np.random.default_rng(3))
    risks = loop_risks(wrong, np.argsort(uncertainty))
    fits = [k for k in range(1, 101) if risks[k - 1] <= risk]
    found = coverage_at_risk(*predictions(wrong), uncertainty, risk=risk)
    assert found == max(fits, default=0) / 100


def test_risks_are_compared_without_rounding():
    """29 errors of 100 are a risk of 0.29, though 0.29 * 100 is below 29."""
    for errors in range(101):
        inputs = *predictions(np.arange(100) < errors), np.zeros(100)
        assert coverage_at_risk(*inputs, risk=errors / 100) == 1.0


@pytest.mark.parametrize(
    ("coverage", "count"), [(0.55, 55), (0.551, 56), (1, 100), (1e-9, 1)]
)
def test_risk_at_coverage_accepts_no_more_than_asked(coverage, count):
    wrong, uncertainty = rising(100, np.random.default_rng(3))
    risks = loop_risks(wrong, np.argsort(uncertainty))
    found = risk_at_coverage(*predictions(wrong), uncertainty, coverage=coverage)
    assert found == pytest.approx(risks[count - 1])


@each_measure
def test_the_order_of_examples_changes_no_value(measure):
    rng = np.random.default_rng(0)
    wrong, uncertainty = rng.random(200) < 0.3, rng.integers(9, size=200)
    order = rng.permutation(200)
    found = measure(*predictions(wrong[order]), uncertainty[order])
    assert found == measure(*predictions(wrong), uncertainty)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_no_error_yet_is_not_no_error_ever(count):
    """The upper end is that of a random ranking at Wilson's upper error rate."""
    inputs = predictions(np.zeros(count))
    rate = float(wilson_interval(0, count)[1])
    for measure, share in [
        (area_under_risk_coverage, 1),
        (area_under_generalised_risk_coverage, 0.5),
    ]:
        area = measure(*inputs)
        assert (float(area), area.low) == (0.0, 0.0)
        assert area.high == pytest.approx(share * rate)
    assert 0 == excess_area(*inputs) < excess_area(*inputs).high <= rate
    certain = coverage_at_risk(*inputs, risk=0.05)
    assert (float(certain), certain.low, certain.high) == (1.0, 0.0, 1.0)
    assert coverage_at_risk(*inputs, risk=0.9).low == 1.0
    assert risk_at_coverage(*inputs).high >= rate


@pytest.mark.parametrize("count", [1, 2, 30])
def test_nothing_right(count):
    inputs = predictions(np.ones(count))
    rate = float(wilson_interval(count, count)[0])
    area = area_under_risk_coverage(*inputs)
    assert (float(area), area.low, area.high) == pytest.approx((1.0, rate, 1.0))
    half = area_under_generalised_risk_coverage(*inputs)
    assert (float(half), half.low, half.high) == pytest.approx((0.5, rate / 2, 0.5))
    assert excess_area(*inputs) == 0.0
    assert coverage_at_risk(*inputs) == 0.0
    assert risk_at_coverage(*inputs) == 1.0


def test_no_error_among_the_accepted_leaves_wilsons_interval():
    """All 20 errors are the most uncertain of 200; of 160 accepted none is wrong."""
    found = risk_at_coverage(*predictions(np.arange(200) >= 180), np.arange(200))
    assert (float(found), found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(float(wilson_interval(0, 160)[1]))


@pytest.mark.parametrize(
    ("measure", "truth"),
    [
        # P(error | u) = u / 2 on uniform u: the risk at coverage c is c / 4.
        (area_under_risk_coverage, 1 / 8),
        (area_under_generalised_risk_coverage, 1 / 12),
        (excess_area, 1 / 8 - (1 / 4 + 3 / 4 * np.log(3 / 4))),
        (lambda *a: coverage_at_risk(*a, risk=0.15), 0.6),
        (risk_at_coverage, 0.2),
    ],
)
def test_intervals_cover_the_truth(measure, truth):
    """Of 100 sets 95 % cover, less 3 standard errors of sqrt(.95 * .05 / 100) = 2.2 %.

    Of 500 sets of 300 examples it was 93.6, 94.8, 94.0, 94.6 and 97.2 %: quantiles of
    skew replicates fall short by 1 or 2 %, and the last are never below Wilson's.
    """
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        wrong, uncertainty = rising(200, rng)
        found.append(measure(*predictions(wrong), uncertainty))
    covered = np.mean([each.low <= truth <= each.high for each in found])
    assert covered >= 0.95 - 0.066 - 0.02


@each_measure
def test_copies_in_clusters_leave_the_interval_of_the_originals(measure):
    wrong, uncertainty = rising(150, np.random.default_rng(2))
    once = measure(*predictions(wrong), uncertainty)
    groups = np.tile(np.arange(150), 4)
    inputs = *predictions(np.tile(wrong, 4)), np.tile(uncertainty, 4)
    copies, naive = measure(*inputs, groups=groups), measure(*inputs)
    # Means over k/N differ between N = 150 and N = 600 by less than 1/150.
    assert copies.low == pytest.approx(once.low, abs=0.01)
    assert copies.high == pytest.approx(once.high, abs=0.01)
    assert naive.high - naive.low < 0.75 * (copies.high - copies.low)
    assert copies.count == 600


@each_measure
def test_intervals_of_large_sets_are_narrow_and_hold_the_value(measure):
    wrong, uncertainty = rising(100_000, np.random.default_rng(2))
    found = measure(*predictions(wrong), uncertainty)
    assert found.low < found < found.high < found.low + 0.03
    assert found.method == "bootstrap"


def test_the_area_is_the_mean_of_the_curve():
    probabilities, labels = random_probabilities(900, 5), random_labels(900, 5)
    curve = risk_coverage_curve(probabilities, labels)
    assert area_under_risk_coverage(probabilities, labels) == pytest.approx(
        curve.risk.mean()
    )
    area = area_under_generalised_risk_coverage(probabilities, labels)
    nodes = np.concatenate([[0], curve.generalised_risk])
    assert area == pytest.approx(np.trapezoid(nodes, dx=1 / 900))


@pytest.mark.parametrize("risk", [-0.1, 1.1, np.nan])
def test_an_impossible_risk_is_refused(risk):
    with pytest.raises(ValueError, match=r"risk must be in 0\.\.1, got"):
        coverage_at_risk(*predictions(WRONG), risk=risk)


@pytest.mark.parametrize("coverage", [0, 1.1, np.nan])
def test_an_impossible_coverage_is_refused(coverage):
    with pytest.raises(ValueError, match="coverage must be above 0 and at most 1, got"):
        risk_at_coverage(*predictions(WRONG), coverage=coverage)


@each_measure
def test_bad_input_is_refused(measure):
    probabilities, labels = predictions(WRONG)
    with pytest.raises(ValueError, match="must sum to 1"):
        measure(probabilities * 0.5, labels)
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.1"):
        measure(probabilities, labels + 1)
    with pytest.raises(ValueError, match="uncertainty must be a vector"):
        measure(probabilities, labels, probabilities)
    with pytest.raises(ValueError, match="groups must be a vector"):
        measure(probabilities, labels, groups=[1, 2])


@pytest.mark.parametrize("cluster", [1, 10])
def test_the_low_end_of_the_coverage_at_a_risk_is_reached(cluster):
    """Of 100 sets of 200 examples, 97.5 % have a low end below the truth.

    Four standard errors of 1.6 % less is 91 %; the bootstrap alone had 62 %.
    """
    confidence = np.sort(calibrated(200_000, 10, 0)[0].max(axis=1))[::-1]
    fits = (1 - confidence).cumsum() <= 0.05 * np.arange(1, 200_001)
    truth = np.flatnonzero(fits)[-1] / 200_000
    found = []
    for seed in range(1, 101):
        rows, labels, groups = calibrated(200, 10, seed, cluster)
        found.append(coverage_at_risk(rows, labels, groups=groups))
    assert np.mean([each.low <= truth for each in found]) >= 0.91


def test_many_examples_without_an_error_can_be_relied_on():
    """Wilson's upper limit of 0 errors of n is 3.84 / (n + 3.84), 0.05 at n = 73."""
    rows, labels = two_classes(*np.linspace(0.6, 0.99, 200)), np.ones(200, dtype=int)
    labels[:40] = 0
    found = coverage_at_risk(rows, labels, risk=0.05)
    assert 0.5 < found.low < 0.8 <= found
