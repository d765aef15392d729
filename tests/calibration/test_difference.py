"""Differences: copies, shares of replicates, single examples."""

import copy
import pickle

import numpy as np
import pytest

from calibration._difference import Difference, share_above_zero, with_share
from calibration.estimate import Estimate

ESTIMATE = Estimate(0.2, low=-0.1, high=0.5, count=30, method="bootstrap")


def test_a_share_counts_ties_half_and_leaves_out_what_is_not_finite():
    assert share_above_zero(np.array([-1.0, 0.0, 2.0, 3.0])) == 0.625
    assert share_above_zero(np.array([1.0, np.nan, np.inf])) == 1
    assert share_above_zero(np.array([-2.0])) == 0
    assert share_above_zero(np.array([np.nan])) == 0.5
    assert share_above_zero(np.zeros(9)) == 0.5


def test_a_difference_is_the_estimate_with_its_share():
    found = with_share(ESTIMATE, np.array([-1.0, 1.0, 1.0, 1.0]), 30, (-1, 1))
    assert found.as_dict() == ESTIMATE.as_dict()
    assert found.share_above_zero == 0.75
    assert found.share_range == (0.75, 0.75)


def test_of_several_allowances_the_least_sure_one_is_told_and_the_range():
    ways = [np.ones(4), np.array([1.0, 1.0, 1.0, -1.0]), np.array([-1.0, -1.0, -1, 1])]
    found = with_share(ESTIMATE, ways[0], 30, (-1, 1), *ways[1:2])
    assert (found.share_above_zero, found.share_range) == (0.75, (0.75, 1.0))
    found = with_share(ESTIMATE, ways[0], 30, (-1, 1), *ways[1:])
    assert found.share_range == (0.25, 1.0)
    assert copy.copy(found).share_range == (0.25, 1.0)


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))]
)
def test_copies_keep_the_share(again):
    found = again(with_share(ESTIMATE, np.ones(3), 30, (-1, 1)))
    assert isinstance(found, Difference)
    assert found.share_above_zero == 1
    assert found.as_dict() == ESTIMATE.as_dict()


def test_one_cluster_leaves_all_there_can_be():
    found = with_share(ESTIMATE, np.ones(3), 1, (-1, 1))
    assert (found.low, found.high, found.share_above_zero) == (-1, 1, 0.5)
    assert found.share_range == (0.5, 0.5)
    with pytest.raises(ValueError, match="bounds must be finite"):
        with_share(ESTIMATE, np.ones(3), 1, (-np.inf, np.inf))
