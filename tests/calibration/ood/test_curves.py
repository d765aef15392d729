"""Curves against scikit-learn, thinned curves against whole ones, histograms."""

import numpy as np
import pytest
from sklearn import metrics

from calibration.ood import (
    aupr_out,
    auroc,
    precision_recall_curve,
    roc_curve,
    score_histogram,
)
from tests.calibration.ood.examples import EDGES, as_binary, random_scores


@pytest.mark.parametrize("tied", [False, True])
def test_roc_points_are_those_of_scikit_learn(tied):
    scores = random_scores(0, tied)
    curve = roc_curve(*scores)
    fpr, tpr, threshold = metrics.roc_curve(
        *as_binary(*scores), drop_intermediate=False
    )
    np.testing.assert_allclose(curve.false_positive_rate, fpr)
    np.testing.assert_allclose(curve.true_positive_rate, tpr)
    np.testing.assert_array_equal(curve.threshold[1:], threshold[1:])
    assert np.isfinite(curve.threshold[0])
    assert curve.threshold[0] > curve.threshold[1]
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(float(auroc(*scores)))


@pytest.mark.parametrize("tied", [False, True])
def test_precision_and_recall_at_each_threshold_by_hand(tied):
    in_scores, out_scores = random_scores(0, tied)
    curve = precision_recall_curve(in_scores, out_scores)
    assert curve.threshold.tolist() == sorted(set(out_scores), reverse=True)
    rows = zip(curve.threshold, curve.recall, curve.precision, strict=True)
    for threshold, recall, precision in rows:
        hits = (out_scores >= threshold).sum()
        assert recall == pytest.approx(hits / 60)
        alarms = (in_scores >= threshold).sum()
        assert precision == pytest.approx(hits / (hits + alarms))


@pytest.mark.parametrize("tied", [False, True])
def test_steps_under_the_precision_recall_curve_are_the_average_precision(tied):
    scores = random_scores(1, tied)
    curve = precision_recall_curve(*scores)
    area = (np.diff(curve.recall, prepend=0) * curve.precision).sum()
    assert area == pytest.approx(float(aupr_out(*scores)))


@pytest.mark.parametrize("max_points", [2, 3, 50, 500])
def test_thinned_curves_keep_their_ends_and_lie_on_the_whole_ones(max_points):
    scores = random_scores(2, tied=False, sizes=(5000, 3000))
    roc, whole = (roc_curve(*scores, points) for points in (max_points, 10_000))
    assert len(roc.threshold) <= max_points
    ends = [
        (rates[0], rates[-1])
        for rates in (roc.false_positive_rate, roc.true_positive_rate)
    ]
    assert ends == [(0, 1), (0, 1)]
    points = set(zip(whole.false_positive_rate, whole.true_positive_rate, strict=True))
    kept = zip(roc.false_positive_rate, roc.true_positive_rate, strict=True)
    assert set(kept) <= points
    thinned, whole = (
        precision_recall_curve(*scores, points) for points in (max_points, 10_000)
    )
    assert len(thinned.threshold) <= max_points
    assert thinned.recall[[0, -1]].tolist() == [1 / 3000, 1]
    points = set(zip(whole.recall, whole.precision, strict=True))
    assert set(zip(thinned.recall, thinned.precision, strict=True)) <= points


def test_thinned_points_lie_evenly():
    """500 of 8,000 points: no step along the curve is twice the even one of 2/499."""
    curve = roc_curve(*random_scores(2, tied=False, sizes=(5000, 3000)))
    steps = np.diff(curve.false_positive_rate + curve.true_positive_rate)
    assert len(curve.threshold) > 450
    assert steps.max() < 2 * 2 / 499


@pytest.mark.parametrize("edge", EDGES)
def test_curves_of_every_edge_are_finite_and_ordered(edge):
    roc = roc_curve(*EDGES[edge])
    assert np.all(np.diff(roc.threshold) < 0)
    assert np.all(np.diff(roc.false_positive_rate) >= 0)
    precision_recall = precision_recall_curve(*EDGES[edge])
    assert precision_recall.recall[-1] == 1
    for curve in (roc, precision_recall):
        assert all(np.all(np.isfinite(values)) for values in vars(curve).values())


@pytest.mark.parametrize("curve", [roc_curve, precision_recall_curve])
def test_one_point_makes_no_curve(curve):
    with pytest.raises(ValueError, match="max_points must be at least 2"):
        curve([0.0], [1.0], max_points=1)
    with pytest.raises(ValueError, match="max_points must be an integer"):
        curve([0.0], [1.0], max_points=0)


@pytest.mark.parametrize("chart", [roc_curve, precision_recall_curve, score_histogram])
@pytest.mark.parametrize(
    ("bad", "message"),
    [([], "must be a non-empty vector"), ([0.0, np.nan], "must be finite, got nan")],
)
def test_charts_check_both_sides(chart, bad, message):
    with pytest.raises(ValueError, match=f"in_scores {message}"):
        chart(bad, [1.0])
    with pytest.raises(ValueError, match=f"out_scores {message}"):
        chart([0.0], bad)


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
