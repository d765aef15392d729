"""Tests of what predictions.npz holds."""

from types import SimpleNamespace

import numpy as np
import pytest

from data.arrays import Split
from trainers import predictions as module
from trainers.features import Outputs
from trainers.predictions import arrays_of, training_examples


def split_of(count):
    return Split.whole(np.arange(count, dtype=np.float32)[:, None], np.arange(count))


def outputs_of(count, features=True):
    return Outputs(
        np.full((count, 3), 1 / 3, np.float32),
        np.full((count, 3), count, np.float32),
        np.full((count, 5), count, np.float32) if features else None,
    )


def test_a_small_training_split_is_kept_whole():
    train = split_of(7)
    assert training_examples(train, 0) is train


def test_of_a_large_one_the_same_are_chosen_in_order(monkeypatch):
    monkeypatch.setattr(module, "MAX_TRAIN", 20)
    train = split_of(100)
    first, again, other = (training_examples(train, seed) for seed in (0, 0, 1))
    assert len(set(first.indices)) == 20
    assert (np.diff(first.indices) > 0).all()
    np.testing.assert_array_equal(first.indices, again.indices)
    np.testing.assert_array_equal(first.inputs[:, 0], first.indices)
    assert set(first.indices) != set(other.indices)


@pytest.fixture
def data():
    return SimpleNamespace(test=split_of(4), validation=split_of(6))


def test_every_array_is_that_of_its_split(data):
    draws = {"test": 4, "ood_digits": 9, "validation": 6, "grid": 8}
    probabilities = {
        name: np.random.default_rng(0).random((2, count, 3)).astype(np.float32)
        for name, count in draws.items()
    }
    at_mean = {name: outputs_of(count) for name, count in draws.items()}
    found = arrays_of(data, probabilities, at_mean, (split_of(11), outputs_of(11)))
    assert {name: array.shape for name, array in found.items()} == {
        "probabilities": (2, 4, 3), "labels": (4,), "indices": (4,),
        "logits": (4, 3), "features": (4, 5),
        "ood_digits": (2, 9, 3),
        "logits_ood_digits": (9, 3), "features_ood_digits": (9, 5),
        "labels_train": (11,), "logits_train": (11, 3), "features_train": (11, 5),
        "validation_probabilities": (6, 3), "validation_labels": (6,),
    }  # fmt: skip
    mean = found["validation_probabilities"]
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, probabilities["validation"].mean(0), rtol=1e-6)
    assert (found["features_ood_digits"] == 9).all()
    assert (found["logits_train"] == 11).all()


def test_without_draws_features_or_validation_there_are_fewer(data):
    plain = {"test": outputs_of(4, features=False)}
    found = arrays_of(
        data,
        {"test": plain["test"].probabilities},
        plain,
        (split_of(3), outputs_of(3, features=False)),
    )
    assert set(found) == {
        "probabilities", "labels", "indices", "logits", "labels_train", "logits_train",
    }  # fmt: skip
    plain["validation"] = outputs_of(6)
    probabilities = {name: each.probabilities for name, each in plain.items()}
    found = arrays_of(data, probabilities, plain, (split_of(3), outputs_of(3)))
    np.testing.assert_array_equal(
        found["validation_probabilities"], probabilities["validation"]
    )
