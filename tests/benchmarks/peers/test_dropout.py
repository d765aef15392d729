"""benchmarks/peers/dropout.py."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.peers.dropout import RATE, AlwaysDropout, mc_dropout, with_dropout
from tests.benchmarks.examples import moons
from trainers.batches import DeviceSplit
from trainers.models import build_model
from trainers.predict import predict


@pytest.mark.parametrize("name", ["mlp", "lenet5"])
def test_each_of_the_two_hidden_dense_layers_has_its_dropout(name):
    model = with_dropout(build_model(name, (1, 28, 28), 10))
    kinds = [type(layer).__name__ for layer in model]
    assert kinds[-7:] == [
        "Linear", "ReLU", "AlwaysDropout", "Linear", "ReLU", "AlwaysDropout", "Linear",
    ]  # fmt: skip
    assert kinds.count("AlwaysDropout") == 2
    assert {m.p for m in model if isinstance(m, AlwaysDropout)} == {RATE} == {0.3}


def test_without_a_hidden_dense_layer_it_is_before_the_last():
    kinds = [type(m) for m in with_dropout(build_model("resnet20", (1, 28, 28), 10))]
    assert kinds[-2:] == [AlwaysDropout, nn.Linear]
    assert kinds.count(AlwaysDropout) == 1


def test_the_initial_weights_are_those_of_the_other_methods():
    models = []
    for change in (lambda model: model, with_dropout):
        torch.manual_seed(0)
        models.append(change(build_model("lenet5", (1, 28, 28), 10)))
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(a, b)


def test_it_drops_in_eval_mode_at_its_rate():
    torch.manual_seed(0)
    kept = AlwaysDropout(RATE).eval()(torch.ones(100_000))
    assert kept.unique().tolist() == pytest.approx([0, 1 / (1 - RATE)])
    # 5 deviations of a mean of 100,000 draws
    assert (kept == 0).float().mean() == pytest.approx(0.3, abs=5 * 0.458 / 316)


def test_predictions_differ_from_pass_to_pass():
    problem, _ = moons()
    model = with_dropout(build_model("mlp", (2,), 2))
    split: DeviceSplit = problem.judged[0]
    (first,), (second,) = (predict(model, [split]) for _ in range(2))
    assert not np.array_equal(first, second)


def test_it_predicts_with_32_masks():
    problem, training = moons()
    predictions = mc_dropout(problem, training)
    (probabilities,) = predictions.probabilities
    assert probabilities.shape == (32, len(problem.data.test), 2)
    assert probabilities.std(0).max() > 0
    settings = predictions.settings
    assert (settings["lr"], settings["dropout"]) == (1e-3, 0.3)


def test_a_network_must_be_a_sequence():
    message = "model must be a torch.nn.Sequential, got Linear."
    with pytest.raises(ValueError, match=message):
        with_dropout(nn.Linear(2, 2))
