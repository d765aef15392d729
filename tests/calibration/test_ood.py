"""OOD detection scores: by hand, against scikit-learn, by loop."""

import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from calibration import FPR95_DEFINITION, auroc, fpr_at_recall, score_histogram

SCORERS = [auroc, fpr_at_recall, score_histogram]


def random_scores(seed, tied):
    rng = np.random.default_rng(seed)
    sides = rng.normal(0, 1, 173), rng.normal(1, 2, 60)
    return [np.round(side, 0 if tied else 9) for side in sides]


def as_binary(in_scores, out_scores):
    labels = np.repeat([0, 1], [len(in_scores), len(out_scores)])
    return labels, np.concatenate([in_scores, out_scores])


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
    gaps = np.subtract.outer(out_scores, in_scores)
    assert area == pytest.approx((gaps > 0).mean() + (gaps == 0).mean() / 2)


def test_auroc_turns_over_with_the_roles_and_ignores_the_scale():
    in_scores, out_scores = random_scores(0, tied=True)
    area = auroc(in_scores, out_scores)
    assert auroc(out_scores, in_scores) == pytest.approx(1 - area)
    assert auroc(np.exp(in_scores), np.exp(out_scores)) == area


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


def test_histogram_by_hand():
    histogram = score_histogram([0.0, 0.4, 1.0], [1.5, 2.0, 2.0], num_bins=4)
    assert histogram.edges.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert histogram.in_distribution.tolist() == [2, 0, 1, 0]
    assert histogram.out_of_distribution.tolist() == [0, 0, 0, 3]


def test_histogram_counts_every_score_in_forty_bins():
    in_scores, out_scores = random_scores(1, tied=False)
    histogram = score_histogram(in_scores, out_scores)
    assert len(histogram.edges) == 41
    assert histogram.in_distribution.sum() == len(in_scores)
    assert histogram.out_of_distribution.sum() == len(out_scores)
    pooled = np.concatenate([in_scores, out_scores])
    assert histogram.edges[[0, -1]].tolist() == [pooled.min(), pooled.max()]


@pytest.mark.parametrize("value", [0.0, np.log(10), -1e9])
def test_scores_equal_up_to_rounding_share_a_bin(value):
    histogram = score_histogram([value], [value, np.nextafter(value, np.inf)])
    assert histogram.in_distribution.max() == 1
    assert histogram.out_of_distribution.max() == 2
    assert np.all(np.diff(histogram.edges) > 0)


def test_histogram_checks_the_number_of_bins():
    with pytest.raises(ValueError, match="num_bins must be an integer of at least 1"):
        score_histogram([0.0], [1.0], num_bins=0)


@pytest.mark.parametrize("score", SCORERS)
@pytest.mark.parametrize("side", ["in_scores", "out_scores"])
def test_an_empty_side_is_refused(score, side):
    scores = {"in_scores": [0.0], "out_scores": [1.0]} | {side: []}
    message = (
        f"{side} must be a non-empty vector, got shape (0,). "
        "Both in-distribution and OOD examples are needed."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        score(**scores)


@pytest.mark.parametrize("score", SCORERS)
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
