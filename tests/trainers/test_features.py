"""Tests of what a network computes at its weights."""

import numpy as np
import pytest
import torch
from torch import nn

from data.arrays import Normalisation, Split
from trainers import features as module
from trainers.batches import DeviceSplit
from trainers.features import MAX_FEATURES, NO_FEATURES, outputs
from trainers.models import build_model
from trainers.predict import predict

CLASSES = 4


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 4)


def split_of(count, *shape, seed=0):
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(count, *shape)).astype(np.float32)
    constants = Normalisation(np.zeros(shape[0], "f4"), np.ones(shape[0], "f4"))
    source = Split.whole(inputs, np.zeros(count, np.int64))
    return DeviceSplit.of(source, constants, torch.device("cpu"))


def outputs_of(model, *splits):
    return outputs(model, splits, lambda: None)


def hooks_of(model):
    return sum(len(each._forward_pre_hooks) for each in model.modules())


def test_outputs_are_those_of_the_model_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(2, 5), nn.Dropout(0.5), nn.Linear(5, CLASSES))
    first, second, ticks = split_of(10, 2), split_of(3, 2, seed=1), []
    found = outputs(model, [first, second], lambda: ticks.append(1))
    assert model.training
    assert len(ticks) == 3 + 1
    assert hooks_of(model) == 0
    model.eval()
    for split, each in zip((first, second), found, strict=True):
        features = model[0](split.inputs)
        logits = model[2](features)
        np.testing.assert_allclose(each.features, features.detach(), rtol=1e-6)
        np.testing.assert_allclose(each.logits, logits.detach(), rtol=1e-5, atol=1e-7)
        expected = predict(model, [split])[0]
        np.testing.assert_allclose(each.probabilities, expected, rtol=1e-6)
        for array in (each.probabilities, each.logits, each.features):
            assert array.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "shape", "width"),
    [
        ("mlp", (2,), 64),
        ("lenet5", (1, 8, 8), 84),
        ("resnet20", (3, 32, 32), 64),
        ("timm:resnet10t", (1, 28, 28), 512),
        ("timm:mobilenetv3_small_050", (3, 32, 32), 1024),
        ("timm:vit_tiny_patch16_224", (3, 32, 32), 192),
    ],
)
def test_the_last_layer_makes_the_logits_of_the_features(name, shape, width):
    model = build_model(name, shape, CLASSES)
    (found,) = outputs_of(model, split_of(6, *shape))
    assert found.features.shape == (6, width)
    head = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    logits = head(torch.from_numpy(found.features)).detach()
    np.testing.assert_allclose(logits, found.logits, rtol=1e-4, atol=1e-5)


class Tokens(nn.Module):
    """A network that classifies places and averages afterwards."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, CLASSES)

    def forward(self, x):
        return self.head(x.flatten(2).transpose(1, 2)).mean(1)


def test_features_of_places_are_averaged():
    split = split_of(6, 3, 2, 2)
    (found,) = outputs_of(Tokens(), split)
    expected = split.inputs.mean((2, 3))
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-7)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(CLASSES, CLASSES)

    def forward(self, x):
        return self.head(self.head(x))


class Folded(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, CLASSES)

    def forward(self, x):
        return self.head(x.reshape(-1, 2)).reshape(len(x), 2, CLASSES).mean(1)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Conv2d(3, CLASSES, 2), nn.Flatten()), (3, 2, 2)),
        (nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Unflatten(1, (7, 1, 1)),
                       nn.Conv2d(7, CLASSES, 1), nn.Flatten()), (3,)),
        (Twice(), (CLASSES,)),
        (Folded(), (4,)),
        (nn.Linear(MAX_FEATURES + 1, CLASSES), (MAX_FEATURES + 1,)),
    ],
    ids=["convolution", "linear-inside", "used-twice", "folded", "too-wide"],
)  # fmt: skip
def test_a_network_without_one_last_linear_layer_has_no_features(model, shape):
    (found,) = outputs_of(model, split_of(6, *shape))
    assert found.features is None
    assert found.logits.shape == (6, CLASSES)
    assert hooks_of(model) == 0
    assert f"at most {MAX_FEATURES} inputs" in NO_FEATURES


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_mode_and_hooks_are_put_back_after_an_error(error):
    model = nn.Sequential(nn.Linear(2, CLASSES))

    def fail():
        raise error

    with pytest.raises(error):
        outputs(model, [split_of(5, 2)], fail)
    assert model.training
    assert hooks_of(model) == 0
