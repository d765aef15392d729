"""Optimizers made by frameworks from parameters alone."""

import copy
import pickle

import pytest
import torch

from tests.vogn_app.optim.networks import assert_bitwise, batch, network, weights
from tests.vogn_app.optim.test_automatic import plain_step
from vogn_app import VOGN, optimizer_for


def test_what_it_makes_is_an_automatic_vogn_with_all_settings():
    model = network()
    made = optimizer_for(model, num_data=60, lr=0.3, curvature_decay=0.9)
    assert issubclass(made, torch.optim.Optimizer)
    optimizer = made(model.parameters(), lr=0.1)  # the framework's lr wins
    assert type(optimizer) is VOGN
    assert optimizer.automatic
    group = optimizer.param_groups[0]
    assert (group["lr"], group["curvature_decay"], group["num_data"]) == (0.1, 0.9, 60)


def test_it_trains_as_the_optimizer_made_by_hand():
    model = network()
    other = copy.deepcopy(model)
    first = optimizer_for(model, num_data=60)(list(model.parameters()), lr=0.1)
    second = VOGN(other, num_data=60, lr=0.1, automatic=True)
    for _ in range(3):
        x, y = batch()
        plain_step(first, x, y)
        plain_step(second, x, y)
    assert_bitwise(weights(model), weights(other))


def test_groups_keep_their_weight_decay_and_empty_ones_are_left_out():
    model = network()
    groups = [
        {"params": [model[0].weight, model[2].weight], "weight_decay": 0.1},
        {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0},
        {"params": [], "weight_decay": 0.0},
    ]
    optimizer = optimizer_for(model, num_data=60)(groups)
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.1, 0.0]


def test_what_it_makes_can_be_copied_and_pickled():
    model = network()
    optimizer = optimizer_for(model, num_data=60)(model.parameters())
    plain_step(optimizer, *batch())
    x, y = batch()
    (one, first), (two, second) = (
        copy.deepcopy((model, optimizer)),
        pickle.loads(pickle.dumps((model, optimizer))),
    )
    plain_step(first, x, y)
    plain_step(second, x, y)
    assert_bitwise(weights(one), weights(two))


def test_parameters_of_another_model_are_an_error():
    made = optimizer_for(network(), num_data=60)
    with pytest.raises(ValueError, match=r"^params must be parameters of the model"):
        made(network().parameters())


def test_timm_makes_it_by_name():
    timm_optim = pytest.importorskip("timm.optim", reason="timm is not installed")
    factory = pytest.importorskip("timm.optim._optim_factory")
    registry = factory.OptimizerRegistry()
    model = network()
    registry.register(
        timm_optim.OptimInfo(
            "vogn", optimizer_for(model, num_data=60), has_eps=False, has_momentum=True
        )
    )
    optimizer = registry.create_optimizer(
        model, "vogn", lr=0.1, weight_decay=0.01, momentum=0.8
    )
    decays = {g["weight_decay"]: len(g["params"]) for g in optimizer.param_groups}
    assert decays == {0.0: 2, 0.01: 2}  # biases and weights
    assert {g["momentum"] for g in optimizer.param_groups} == {0.8}
    plain_step(optimizer, *batch())
