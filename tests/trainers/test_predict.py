"""Tests of class probabilities, at the weights and under draws of them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from data.arrays import Normalisation, Split
from trainers import predict as module
from trainers.batches import DeviceSplit
from trainers.predict import DivergedError, check_finite, predict, predict_samples
from vogn_app import VOGN


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 3))


def split_of(num, seed=0):
    points = np.random.default_rng(seed).normal(size=(num, 2)).astype(np.float32)
    source = Split.whole(points, np.zeros(num, dtype=np.int64))
    constants = Normalisation(np.zeros(2, np.float32), np.ones(2, np.float32))
    return DeviceSplit.of(source, constants, torch.device("cpu"))


def test_probabilities_are_those_of_the_model_in_evaluation_mode(model, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 4)
    first, second, ticks = split_of(10), split_of(3, 1), []
    found = predict(model, [first, second], lambda: ticks.append(1))
    assert model.training
    assert len(ticks) == 3 + 1
    model.eval()
    for split, probabilities in zip((first, second), found, strict=True):
        expected = model(split.inputs).softmax(-1).detach().numpy()
        np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
        assert probabilities.dtype == np.float32


def test_the_mode_is_put_back_after_an_error(model):
    def fail():
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        predict(model, [split_of(2)], fail)
    assert model.training


def test_without_a_posterior_there_are_no_draws(model):
    optimizer = SGD(model.parameters(), lr=0.1)
    (found,) = predict_samples(model, optimizer, [split_of(5)], 7)
    (expected,) = predict(model, [split_of(5)])
    np.testing.assert_array_equal(found, expected)


def test_all_splits_see_the_same_draws(model):
    optimizer = VOGN(model, num_data=10)
    before = [parameter.clone() for parameter in model.parameters()]
    first, second = predict_samples(model, optimizer, [split_of(5), split_of(5)], 3)
    assert first.shape == (3, 5, 3)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first[0] - first[1]).max() > 1e-4
    for old, new in zip(before, model.parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_no_numbers_are_refused(value):
    check_finite(np.zeros((2, 2), np.float32), 3)
    with pytest.raises(DivergedError, match="the network's outputs after step 3 are"):
        check_finite(np.array([[0.5, value]], np.float32), 3)
