"""Estimates: floats that know their interval."""

import copy
import json
import pickle

import numpy as np
import pytest

from calibration.estimate import Estimate

ENDLESS = (-np.inf, np.inf)


def test_an_estimate_is_a_float_that_knows_its_interval():
    estimate = Estimate(0.5, low=0.4, high=0.7, count=10, method="Wilson")
    assert estimate == 0.5
    assert estimate + 1 == 1.5
    assert json.dumps(estimate) == "0.5"
    assert f"{estimate:.2f}" == "0.50"
    assert (estimate.low, estimate.high, estimate.count) == (0.4, 0.7, 10)
    assert "low=0.4" in repr(estimate)
    assert "Wilson" in repr(estimate)


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_copies_keep_the_interval(again):
    estimate = Estimate(0.5, low=0.4, high=0.7, count=10, method="Wilson")
    assert again(estimate).as_dict() == estimate.as_dict()
    assert Estimate.from_dict(estimate.as_dict()).high == 0.7


def test_the_interval_always_holds_the_value():
    estimate = Estimate(0.5, low=0.6, high=0.7, count=10, method="bootstrap")
    assert estimate.low == 0.5
    assert Estimate(0.5, low=0.1, high=0.4, count=1, method="").high == 0.5
