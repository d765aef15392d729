"""Counts between thresholds against loops; which thresholds are kept."""

import numpy as np
import pytest

from calibration.bootstrap import REPLICATES, resampling_weights
from calibration.ood._score_pair import MAX_THRESHOLDS, ScorePair, flagged, thin


def test_row_zero_counts_the_examples_from_each_threshold_to_the_next():
    pair = ScorePair([0.0, 1.0, 1.5, 2.0], [1.0, 3.0])
    inside, out = pair.replicates_at(np.array([1.0, 2.0]))
    assert inside[0].tolist() == [1, 2, 1]
    assert out[0].tolist() == [0, 1, 1]
    assert inside.shape == out.shape == (1 + REPLICATES, 3)


def test_replicates_draw_both_sets_anew_and_independently():
    scores = np.arange(20.0)
    inside, out = ScorePair(scores, scores).replicates
    assert np.array_equal(inside[1:, 1:], resampling_weights(20, seed=0))
    assert np.array_equal(out[1:, 1:], resampling_weights(20, seed=1))
    # 1,000 x 20 pairs of counts: a correlation of 0 is seen with a deviation of 0.007.
    correlation = np.corrcoef(inside[1:, 1:].ravel(), out[1:, 1:].ravel())[0, 1]
    assert abs(correlation) < 0.03


def test_flagged_adds_up_from_the_top():
    counts = np.array([[1.0, 2.0, 3.0]])
    assert flagged(counts).tolist() == [[0, 3, 5, 6]]


@pytest.mark.parametrize("length", [1, 2, 5, 100])
def test_thin_keeps_the_ends(length):
    kept = thin(np.arange(float(length)), 5)
    assert len(kept) == min(length, 5)
    assert (kept[0], kept[-1]) == (0, length - 1)


def test_thresholds_are_bounded_and_resolve_the_smaller_set_as_well():
    rng = np.random.default_rng(0)
    pair = ScorePair(rng.normal(size=20_000), rng.normal(50, 1, size=1000))
    inside, out = pair.replicates
    assert inside.shape[1] <= MAX_THRESHOLDS + 1
    assert inside[0].sum() == 20_000
    assert out[0].max() <= 5  # 1,000 over 250 thresholds, with rounding


def test_few_distinct_scores_are_all_thresholds():
    rng = np.random.default_rng(0)
    pair = ScorePair(rng.integers(7, size=5000), rng.integers(9, size=5000))
    assert pair.replicates[0].shape[1] == 1 + 9


@pytest.mark.parametrize("scores", [["a"], [1j], [None, 1.0], None])
def test_what_is_no_number_is_refused(scores):
    with pytest.raises(ValueError, match="in_scores must be real numbers"):
        ScorePair(scores, [1.0])
