"""Measures of detection: by hand, against scikit-learn, by loop; their intervals."""

import re

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from calibration.intervals import wilson_interval
from calibration.ood import (
    FPR95_DEFINITION,
    _measures,
    _score_pair,
    aupr_in,
    aupr_out,
    auroc,
    detection_error,
    fpr_at_recall,
)
from tests.calibration.ood.examples import EDGES, as_binary, random_scores

MEASURES = [auroc, aupr_out, aupr_in, fpr_at_recall, detection_error]


def placements(in_scores, out_scores):
    """Psi of every pair, ``[M, N]``."""
    gaps = np.subtract.outer(out_scores, in_scores)
    return (gaps > 0) + (gaps == 0) / 2


def simulate(measure, truth, rounds, *, apart=1.0, sizes=(60, 40), seed=0):
    """The share of intervals that hold the truth, for normal scores that far apart."""
    rng = np.random.default_rng(seed)
    held = 0
    for _ in range(rounds):
        found = measure(rng.normal(0, 1, sizes[0]), rng.normal(apart, 1, sizes[1]))
        held += found.low <= truth <= found.high
    return held / rounds


@pytest.mark.parametrize(
    ("in_scores", "out_scores", "area"),
    [
        ([1, 2], [3, 4], 1.0),
        ([3, 4], [1, 2], 0.0),
        ([1, 1], [1, 1, 1], 0.5),
        ([1, 3], [2], 0.5),
        ([1, 2, 3], [2], 0.5),
        ([1, 2], [2, 3], 0.875),
    ],
)
def test_auroc_by_hand(in_scores, out_scores, area):
    assert auroc(in_scores, out_scores) == area


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_auroc_equals_scikit_learn_and_a_count_of_pairs(seed, tied):
    in_scores, out_scores = random_scores(seed, tied)
    area = auroc(in_scores, out_scores)
    binary = as_binary(in_scores, out_scores)
    assert area == pytest.approx(roc_auc_score(*binary), rel=1e-12)
    assert area == pytest.approx(placements(in_scores, out_scores).mean())


def test_auroc_turns_over_with_the_roles_and_ignores_the_scale():
    in_scores, out_scores = random_scores(0, tied=True)
    area = auroc(in_scores, out_scores)
    other = auroc(out_scores, in_scores)
    assert other == pytest.approx(1 - area)
    assert (other.low, other.high) == pytest.approx((1 - area.high, 1 - area.low))
    assert auroc(np.exp(in_scores), np.exp(out_scores)) == area


@pytest.mark.parametrize("tied", [False, True])
def test_delongs_interval_is_that_of_all_pairs(tied):
    """The variance of DeLong et al. from N x M placements, then the delta method."""
    in_scores, out_scores = random_scores(2, tied)
    psi = placements(in_scores, out_scores)
    area = psi.mean()
    of_out, of_in = psi.mean(axis=1), psi.mean(axis=0)
    variance = of_out.var(ddof=1) / len(of_out) + of_in.var(ddof=1) / len(of_in)
    half = stats.norm.ppf(0.975) * np.sqrt(variance) / (area * (1 - area))
    odds = np.exp(np.log(area / (1 - area)) + np.array([-half, half]))
    found = auroc(in_scores, out_scores)
    assert (found.low, found.high) == pytest.approx(tuple(odds / (1 + odds)))
    assert (found.count, found.method) == (233, "DeLong")


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_aupr_equals_scikit_learn_both_ways(seed, tied):
    in_scores, out_scores = random_scores(seed, tied)
    labels, scores = as_binary(in_scores, out_scores)
    assert aupr_out(in_scores, out_scores) == pytest.approx(
        average_precision_score(labels, scores), rel=1e-12
    )
    assert aupr_in(in_scores, out_scores) == pytest.approx(
        average_precision_score(1 - labels, -scores), rel=1e-12
    )


def test_aupr_by_hand():
    # From the top: OOD (1/1), in, OOD (2/3), in; in-distribution from below: 1/1, 2/3.
    assert aupr_out([1, 3], [2, 4]) == pytest.approx((1 + 2 / 3) / 2)
    assert aupr_in([1, 3], [2, 4]) == pytest.approx((1 + 2 / 3) / 2)
    # One tie of all: the precision is the share of the positive class.
    assert aupr_out([1, 1, 1], [1]) == pytest.approx(0.25)
    assert aupr_in([1, 1, 1], [1]) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("in_scores", "out_scores", "rate"),
    [
        ([0.0, 0.1], [0.9, 1.0], 0.0),
        ([0.0, 0.6], [0.5, 1.0], 0.5),
        ([0.9, 1.0], [0.1, 0.2], 1.0),
        ([0.5, 0.5], [0.5, 0.5], 1.0),  # a tie with the threshold is flagged
    ],
)
def test_fpr95_by_hand(in_scores, out_scores, rate):
    assert fpr_at_recall(in_scores, out_scores) == rate


def test_exactly_five_in_a_hundred_may_be_missed():
    out_scores = np.arange(1, 101)
    # 95 of 100 are at 6 or above, so the threshold is 6.
    assert fpr_at_recall([5.0, 5.9], out_scores) == 0.0
    assert fpr_at_recall([5.0, 6.0], out_scores) == 0.5


@pytest.mark.parametrize("percent", [7, 55, 80, 95])
def test_a_recall_that_is_met_exactly_asks_for_no_more(percent):
    # 0.07 * 100 and 0.55 * 100 round to above 7 and 55.
    lowest_flagged = 100 - percent
    in_scores = [lowest_flagged - 0.5, lowest_flagged]
    assert fpr_at_recall(in_scores, np.arange(100), percent / 100) == 0.5


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("recall", [0.05, 0.5, 0.8, 0.95, 1.0])
def test_fpr_equals_the_first_point_of_scikit_learns_curve(recall, tied):
    in_scores, out_scores = random_scores(7, tied)
    binary = as_binary(in_scores, out_scores)
    fpr, tpr, _ = roc_curve(*binary, drop_intermediate=False)
    expected = fpr[np.argmax(tpr >= recall)]
    assert fpr_at_recall(in_scores, out_scores, recall) == pytest.approx(expected)


@pytest.mark.parametrize("recall", [0, -0.1, 1.01, float("nan")])
def test_recall_outside_its_range_is_refused(recall):
    message = f"recall must be above 0 and at most 1, got {recall}."
    with pytest.raises(ValueError, match=re.escape(message)):
        fpr_at_recall([0.0], [1.0], recall)


def test_the_definition_says_which_class_is_positive():
    assert "out of distribution is the positive class" in FPR95_DEFINITION
    assert "95 %" in FPR95_DEFINITION


def test_the_other_class_as_positive_gives_another_fpr95():
    """What the definition warns of: negated, with the roles changed, it differs."""
    in_scores, out_scores = random_scores(7, tied=False)
    other = fpr_at_recall(-out_scores, -in_scores)
    assert abs(other - fpr_at_recall(in_scores, out_scores)) > 0.02


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_detection_error_is_the_smallest_of_all_thresholds(seed, tied):
    in_scores, out_scores = random_scores(seed, tied)
    thresholds = [*in_scores, *out_scores, np.inf]
    errors = [
        ((in_scores >= one).mean() + (out_scores < one).mean()) / 2
        for one in thresholds
    ]
    assert detection_error(in_scores, out_scores) == pytest.approx(min(errors))


@pytest.mark.parametrize(
    ("in_scores", "out_scores", "error"),
    [
        ([1, 2], [3, 4], 0.0),
        ([3, 4], [1, 2], 0.5),
        ([1, 1], [1, 1], 0.5),
        ([1, 2, 3, 4], [4, 5], 0.125),
    ],
)
def test_detection_error_by_hand(in_scores, out_scores, error):
    assert detection_error(in_scores, out_scores) == error


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("edge", EDGES)
def test_every_edge_has_an_interval_that_holds_the_value(measure, edge):
    in_scores, out_scores = EDGES[edge]
    found = measure(in_scores, out_scores)
    assert 0 <= found.low <= found <= found.high <= 1
    # A handful of examples settles nothing.
    assert found.high - found.low > 0.1
    assert found.count == len(in_scores) + len(out_scores)


def test_separated_sets_have_the_interval_of_their_size():
    in_scores, out_scores = np.arange(500.0), np.arange(500.0, 540.0)
    low, _ = wilson_interval(40, 40)
    for measure in (auroc, aupr_out, aupr_in):
        found = measure(in_scores, out_scores)
        assert (found, found.high, found.method) == (1, 1, "Wilson")
        assert found.low == pytest.approx(low)
    missed = fpr_at_recall(in_scores, out_scores)
    assert (missed, missed.low) == (0, 0)
    assert missed.high == pytest.approx(wilson_interval(0, 500)[1])
    error = detection_error(in_scores, out_scores)
    ends = wilson_interval([0, 0], [500, 40])[1]
    assert (error, error.low) == (0, 0)
    assert error.high == pytest.approx(np.hypot(*ends) / 2)


def test_an_error_no_better_than_chance_reaches_one_half():
    in_scores, out_scores = np.random.default_rng(0).normal(size=(2, 100))
    assert detection_error(in_scores, out_scores) < 0.5
    assert detection_error(in_scores, out_scores).high == 0.5
    assert detection_error(in_scores, out_scores + 2).high < 0.3


@pytest.mark.parametrize(
    ("measure", "truth", "rounds"),
    [
        (auroc, stats.norm.cdf(1 / np.sqrt(2)), 600),
        (fpr_at_recall, stats.norm.sf(stats.norm.isf(0.95) + 1), 150),
        (detection_error, stats.norm.sf(0.5), 150),
    ],
)
def test_intervals_hold_the_truth(measure, truth, rounds):
    """Of normal scores one deviation apart, 60 and 40 of them.

    A coverage of 0.95 is seen with a deviation of 0.009 (600 rounds) or 0.018 (150);
    0.88 leaves three of the larger and room for what small samples cost a bootstrap.
    """
    assert simulate(measure, truth, rounds) > 0.88


@pytest.mark.parametrize("measure", [aupr_out, aupr_in])
def test_intervals_of_aupr_hold_the_truth(measure):
    """Equal numbers, for which both have one truth, with the bound of above.

    It is the area under the population's curve of sf(t - 1) / (sf(t) + sf(t - 1)), by
    trapezoids over 10,000 points.
    """
    t = np.linspace(10, -9, 10_000)
    recall = stats.norm.sf(t - 1)
    truth = np.trapezoid(recall / (stats.norm.sf(t) + recall), recall)
    assert simulate(measure, truth, 150, sizes=(60, 60)) > 0.88


@pytest.mark.parametrize("measure", [aupr_out, aupr_in, fpr_at_recall, detection_error])
def test_thinned_thresholds_give_the_interval_of_all(measure, monkeypatch):
    """With 900 + 600 scores thresholds are thinned; all of them tell the same.

    The replicates are the same draws, so what is left is the blur of 1/250 of a set,
    far below a tenth of the width.
    """
    scores = random_scores(3, tied=False, sizes=(900, 600))
    thinned = measure(*scores)
    for module in (_measures, _score_pair):
        monkeypatch.setattr(module, "MAX_THRESHOLDS", 10_000)
    full = measure(*scores)
    assert thinned == full
    width = full.high - full.low
    assert thinned.low == pytest.approx(full.low, abs=0.1 * width)
    assert thinned.high == pytest.approx(full.high, abs=0.1 * width)


@pytest.mark.parametrize("measure", MEASURES)
def test_many_examples_narrow_the_interval(measure):
    """By a factor of 10 for 100 times as many, up to 30 % for chance in both widths."""
    few = measure(*random_scores(5, tied=False, sizes=(400, 400)))
    many = measure(*random_scores(6, tied=False, sizes=(40_000, 40_000)))
    ratio = (few.high - few.low) / (many.high - many.low)
    assert 7 < ratio < 14
    assert few.low - 0.05 < many < few.high + 0.05


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_examples_does_not_matter_to_the_value(measure):
    in_scores, out_scores = random_scores(4, tied=True)
    assert measure(in_scores[::-1], out_scores[::-1]) == measure(in_scores, out_scores)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_same_call_gives_the_same_interval(measure):
    scores = random_scores(4, tied=False)
    assert measure(*scores).as_dict() == measure(*scores).as_dict()


@pytest.mark.parametrize("score", MEASURES)
@pytest.mark.parametrize("side", ["in_scores", "out_scores"])
def test_an_empty_side_is_refused(score, side):
    scores = {"in_scores": [0.0], "out_scores": [1.0]} | {side: []}
    message = (
        f"{side} must be a non-empty vector, got shape (0,). "
        "Both in-distribution and OOD examples are needed."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        score(**scores)


@pytest.mark.parametrize("score", MEASURES)
@pytest.mark.parametrize("side", ["in_scores", "out_scores"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_refused(score, side, value):
    scores = {"in_scores": [0.0], "out_scores": [1.0]} | {side: [0.0, value]}
    with pytest.raises(ValueError, match=f"{side} must be finite, got {value} at ind"):
        score(**scores)


def test_a_table_of_scores_is_refused():
    with pytest.raises(
        ValueError, match=r"must be a non-empty vector, got shape \(1, "
    ):
        auroc([[0.0, 1.0]], [1.0])
