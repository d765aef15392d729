"""Tests of trials as lines of JSON."""

import json
import math

import pytest

from tests.trainers.tuning.examples import trial
from trainers.tuning.trial import CUT, DIVERGED, Trial, best_of


def test_a_trial_goes_through_json():
    one = trial(seconds=1.5, title="cold", found={"prior_precision": 3.0})
    content = json.loads(json.dumps(one.to_dict()))
    assert Trial.from_dict(content) == one
    assert content["epochs"] == 3
    assert content["nll"] == [0.5, 0.4, 0.3]


@pytest.mark.parametrize(
    "change", [{"state": "odd"}, {"epochs": 2}, {"nll": [1.0]}, {"more": 1}]
)
def test_another_line_is_refused(change):
    with pytest.raises(ValueError, match=r"no trial|shorter|longer"):
        Trial.from_dict(trial().to_dict() | change)
    with pytest.raises(ValueError, match="no trial"):
        Trial.from_dict({"stage": "search"})


def test_the_last_epoch_counts_and_nothing_of_what_diverged():
    assert trial(nlls=(0.1, 0.2)).nll == 0.2
    assert trial(nlls=(0.1,), state=DIVERGED).nll == math.inf
    assert trial(nlls=(), state=CUT).nll == math.inf


def test_what_training_found_is_among_the_settings():
    assert trial(parameters={"a": 1}, found={"b": 2.0}).settings == {"a": 1, "b": 2.0}


def test_the_best_came_to_its_end_and_was_first():
    trials = [
        trial(0, (0.5,)), trial(1, (0.1,), CUT), trial(2, (0.3,)), trial(3, (0.3,)),
        trial(4, (0.2,), DIVERGED),
    ]  # fmt: skip
    assert best_of(trials) is trials[2]
    assert best_of(trials[1:2]) is None
