"""The measures of a pair of sets; `test_detection` has them by their public names."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from calibration.ood._measures import (
    area,
    false_positive_rate,
    precision_of_in,
    precision_of_out,
    smallest_error,
)
from calibration.ood._score_pair import ScorePair

RNG = np.random.default_rng(0)
INSIDE, OUTSIDE = RNG.normal(size=80), RNG.normal(1, size=60)
PAIR = ScorePair(INSIDE, OUTSIDE)
SCORES = np.concatenate([INSIDE, OUTSIDE])
IS_OUT = np.arange(140) >= 80


def test_areas_are_those_of_scikit_learn():
    assert area(PAIR) == pytest.approx(roc_auc_score(IS_OUT, SCORES))
    assert precision_of_out(PAIR) == pytest.approx(
        average_precision_score(IS_OUT, SCORES)
    )
    assert precision_of_in(PAIR) == pytest.approx(
        average_precision_score(~IS_OUT, -SCORES)
    )


def test_rates_equal_a_search_over_all_thresholds():
    thresholds = np.sort(SCORES)
    rates = [((t <= INSIDE).mean(), (t <= OUTSIDE).mean()) for t in thresholds]
    reaching = [false for false, found in rates if found >= 0.9]
    assert false_positive_rate(PAIR, 0.9) == min(reaching)
    errors = [(false + 1 - found) / 2 for false, found in rates]
    assert smallest_error(PAIR) == pytest.approx(min(errors))


@pytest.mark.parametrize(
    "measure", [area, precision_of_out, precision_of_in, false_positive_rate]
)
def test_intervals_hold_the_value_and_count_both_sets(measure):
    estimate = measure(PAIR)
    assert 0 <= estimate.low < estimate < estimate.high <= 1
    assert estimate.count == 140
