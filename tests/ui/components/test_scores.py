"""Tests of `ui/components/scores.py`."""

import numpy as np
import pytest

from calibration.ood import SCORES
from tests.ui import fakes
from trainers.runs import RunError
from ui.components.predictions import OOD, TEST, part
from ui.components.scores import (
    CERTAINTIES,
    certainties,
    merged,
    of_part,
    offered,
    scores,
    sets,
)

OUT = "photo-patches"


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def without(run, *starts):
    with np.load(run.predictions) as file:
        kept = {k: v for k, v in file.items() if not k.startswith(starts)}
    np.savez(run.predictions, **kept)


def test_scores_need_what_they_need(run, root):
    assert sets(run) == [OUT]
    assert len(offered(run, OUT)) == 10
    without(run, "features")
    assert "mahalanobis" not in offered(run, OUT)
    without(run, "logits")
    assert list(offered(run, OUT)) == [
        "entropy", "max_probability", "mutual_information", "expected_entropy",
    ]  # fmt: skip
    other = fakes.write_run(root, "b", optimizer="sgd", evaluated=True)
    assert "mutual_information" not in offered(other, OUT)
    without(other, "logits_train")
    assert "mahalanobis" in offered(other, OUT)
    assert "vim" not in offered(other, OUT)


def test_scores_of_probabilities_are_those_of_the_catalogue(run):
    test = part(run)
    for name in ("entropy", "max_probability", "mutual_information"):
        with np.load(run.predictions) as file:
            from calibration.ood import all_scores

            expected = all_scores(file["probabilities"])[name]
        np.testing.assert_allclose(of_part(test, name), expected, atol=1e-12)
        assert scores(run, TEST, name) is scores(run, TEST, name)


def test_one_set_of_weights_has_nothing_to_disagree_with(root):
    run = fakes.write_run(root, "b", optimizer="sgd", evaluated=True)
    with pytest.raises(RunError, match="no mutual information"):
        scores(run, TEST, "mutual_information")
    assert list(certainties(sampled=True)) == [*CERTAINTIES]
    assert "mutual_information" not in certainties(sampled=False)


def test_logits_are_scored_in_stretches(run, monkeypatch):
    whole = scores(run, OOD + OUT, "energy")
    monkeypatch.setattr("ui.components.scores.BLOCK", 7)
    run.predictions.touch()
    np.testing.assert_allclose(scores(run, OOD + OUT, "energy"), whole)


def test_what_is_not_there_is_told(run):
    without(run, "features_ood")
    with pytest.raises(RunError, match="features_ood"):
        scores(run, OOD + OUT, "mahalanobis")


def test_the_scores_of_several_runs_are_in_the_order_of_the_catalogue():
    single = {"entropy": "E", "energy": "N", "vim": "V"}
    several = {"entropy": "E", "mutual_information": "M"}
    found = merged([single, several])
    assert list(found) == ["entropy", "mutual_information", "energy", "vim"]
    assert [each for each in SCORES if each in found] == [*found][:3]
