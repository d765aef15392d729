"""Tests of `trainers/drawn.py`."""

import numpy as np
import pytest

from trainers.drawn import (
    MAX_OTHERS,
    MAX_POINTS,
    drawn_features,
    drawn_rows,
    sampled_rows,
)
from trainers.runs import Run, RunError


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def write(run, **arrays):
    np.savez(
        run.predictions,
        **{
            "probabilities": np.zeros((3, 2500, 2), np.float32),
            "features": np.arange(5000.0).reshape(2500, 2),
            "ood_a": np.zeros((400, 2), np.float32),
            "features_ood_a": np.zeros((400, 2)),
            "ood_b": np.zeros((20, 2), np.float32),
            "features_ood_b": np.zeros((20, 2)),
            "ood_without": np.zeros((20, 2), np.float32),
        }
        | arrays,
    )


def test_some_rows_are_drawn_the_same_each_time():
    np.testing.assert_array_equal(sampled_rows(5, 9), range(5))
    rows = sampled_rows(10_000, MAX_POINTS)
    assert len(set(rows)) == MAX_POINTS
    np.testing.assert_array_equal(rows, np.sort(rows))
    np.testing.assert_array_equal(rows, sampled_rows(10_000, MAX_POINTS))


def test_the_sets_with_features_are_drawn_the_test_set_first(run):
    write(run)
    rows = drawn_rows(run)
    assert {name: len(each) for name, each in rows.items()} == {
        "": MAX_POINTS, "ood_a": MAX_OTHERS // 2, "ood_b": 20,
    }  # fmt: skip
    assert next(iter(rows)) == ""
    features = drawn_features(run, rows)
    np.testing.assert_array_equal(features[0][:, 0], 2.0 * rows[""])


def test_without_features_nothing_is_drawn(run):
    np.savez(run.predictions, probabilities=np.zeros((3, 2)))
    assert drawn_rows(run) == {}


@pytest.mark.parametrize(
    "features", [np.zeros((3, 6)), np.zeros(2500), np.full((2500, 6), np.nan)]
)
def test_features_that_do_not_fit_are_damage(run, features):
    write(run, features=features)
    with pytest.raises(RunError, match="damaged"):
        drawn_features(run, drawn_rows(run))


def test_a_set_that_is_none_is_damage(run):
    write(run, probabilities=np.zeros(7))
    with pytest.raises(RunError, match="damaged"):
        drawn_rows(run)
