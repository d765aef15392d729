"""Tests of weights of a fixed norm."""

import math

import pytest
import torch
from torch import nn

from trainers.models import build_model
from trainers.rescaling import rescale, rescaled_weights


def test_after_it_the_norm_is_the_root_of_twice_the_outputs():
    model = build_model("resnet20", (3, 32, 32), 10)
    weights = rescaled_weights(model)
    rescale(weights)
    for weight in weights:
        expected = math.sqrt(2 * weight.shape[0])
        assert float(weight.detach().norm()) == pytest.approx(expected, rel=1e-5)


def test_all_convolutions_and_linear_layers_and_nothing_else_is_rescaled():
    model = nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.Conv2d(4, 6, 3, groups=2), nn.Conv3d(1, 2, 2),
        nn.BatchNorm2d(6), nn.LayerNorm(6), nn.Embedding(5, 3), nn.Linear(3, 7),
        nn.ConvTranspose2d(4, 2, 3),
    )  # fmt: skip
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    rescale(rescaled_weights(model))
    changed = {
        name
        for name, parameter in model.named_parameters()
        if not torch.equal(parameter, before[name])
    }
    assert changed == {"0.weight", "1.weight", "2.weight", "6.weight"}


def test_the_direction_stays():
    layer = nn.Linear(5, 3)
    before = layer.weight.detach().clone()
    rescale(rescaled_weights(layer))
    found = layer.weight.detach()
    cosine = (found * before).sum() / (found.norm() * before.norm())
    assert float(cosine) == pytest.approx(1.0, abs=1e-6)


def test_frozen_weights_stay_and_tied_ones_count_once():
    first, second, frozen = (nn.Linear(4, 4) for _ in range(3))
    second.weight = first.weight
    frozen.weight.requires_grad_(False)
    assert len(rescaled_weights(nn.Sequential(first, second, frozen))) == 1


def test_weights_of_zero_stay_zero():
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.weight)
    rescale(rescaled_weights(layer))
    assert torch.equal(layer.weight, torch.zeros(2, 3))


def test_a_network_without_such_layers_is_left_alone():
    norm = nn.LayerNorm(3)
    assert rescaled_weights(norm) == []
    rescale([])
    assert torch.equal(norm.weight, torch.ones(3))
