"""Blocks at drawn weights: they put the mean back, and steps must follow them."""

# ruff: noqa: PT012, SIM117 - what raises is the block with its statements

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    DETERMINISTIC,
    assert_bitwise,
    batch,
    block,
    gathered,
    network,
    weights,
)
from vogn_app import VOGN, UnsupportedLayerError

BOTH = pytest.mark.usefixtures("kernels_and_none")

# --- the mean comes back ----------------------------------------------------------


@BOTH
def test_the_mean_is_back_bit_for_bit():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=3)
    before = weights(model)
    with optimizer.sampled_params():
        for name, value in model.state_dict().items():
            assert not torch.equal(value, before[name]), name
    assert_bitwise(weights(model), before)
    block(optimizer, x, y)
    assert_bitwise(weights(model), before)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("train", [True, False])
def test_after_an_exception_everything_is_as_before(train, error):
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=3)
    block(optimizer, x, y)
    mean, waiting = weights(model), copy.deepcopy(gathered(optimizer))
    with pytest.raises(error), optimizer.sampled_params(train=train):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        raise error
    assert_bitwise(weights(model), mean)
    for got, truth in zip(gathered(optimizer), waiting, strict=True):
        assert_bitwise(got, truth)
    assert not any(module._forward_hooks for module in model.modules())
    optimizer.step()


def test_after_an_unsupported_layer_everything_is_as_before():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.eye(3))

        def forward(self, x):
            return (x @ self.matrix).softmax(0)

    model = nn.Sequential(nn.Linear(3, 3), Centred())
    optimizer = VOGN(model, num_data=3)
    before = weights(model)
    with (
        pytest.warns(UserWarning, match="mixes the examples"),
        pytest.raises(UnsupportedLayerError, match=r"1\.matrix"),
    ):
        with optimizer.sampled_params(train=True):
            model(torch.randn(5, 3)).square().mean().backward()
    assert_bitwise(weights(model), before)
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(RuntimeError, match="step must follow a backward pass"):
        optimizer.step()


@BOTH
def test_predictions_in_inference_mode_before_the_first_step_do_no_harm():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20)
    with torch.inference_mode(), optimizer.sampled_params():
        model(x)
    state = optimizer.state[model[0].weight]
    assert not state["curvature"].is_inference()
    block(optimizer, x, y)
    optimizer.step()


# --- what is an error -------------------------------------------------------------


def test_blocks_must_not_be_nested():
    optimizer = VOGN(network(), num_data=3)
    with (
        optimizer.sampled_params(),
        pytest.raises(RuntimeError, match=r"^sampled_params must not be nested\.$"),
        optimizer.sampled_params(),
    ):
        pass
    with optimizer.sampled_params():
        pass


def test_a_step_inside_a_block_is_an_error():
    optimizer = VOGN(network(), num_data=3)
    with (
        optimizer.sampled_params(train=True),
        pytest.raises(
            RuntimeError, match=r"^step must be called outside sampled_params\.$"
        ),
    ):
        optimizer.step()


def no_blocks(optimizer):
    pass


def prediction_only(optimizer):
    with optimizer.sampled_params():
        F.cross_entropy(optimizer.model(batch()[0]), batch()[1]).backward()


def without_backward(optimizer):
    with optimizer.sampled_params(train=True):
        optimizer.model(batch()[0])


def stepped_already(optimizer):
    block(optimizer, *batch())
    optimizer.step()


def cleared(optimizer):
    block(optimizer, *batch())
    optimizer.zero_grad()


@pytest.mark.parametrize(
    "before", [no_blocks, prediction_only, without_backward, stepped_already, cleared]
)
def test_a_step_with_nothing_gathered_is_an_error(before):
    optimizer = VOGN(network(), num_data=3)
    before(optimizer)
    mean = weights(optimizer.model)
    with pytest.raises(RuntimeError) as caught:
        optimizer.step()
    assert str(caught.value) == (
        "step must follow a backward pass inside sampled_params(train=True), got none."
    )
    assert_bitwise(weights(optimizer.model), mean)


def test_a_step_without_the_gradients_is_an_error():
    optimizer = VOGN(network(), num_data=3)
    block(optimizer, *batch())
    optimizer.model.zero_grad()
    with pytest.raises(RuntimeError) as caught:
        optimizer.step()
    assert str(caught.value) == (
        "gradients must be kept between sampled_params(train=True) and step, got "
        "parameters whose .grad was removed."
    )


def test_gradients_removed_between_blocks_are_an_error():
    """Two equal blocks would otherwise give half of their gradient."""
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, **DETERMINISTIC)
    block(optimizer, x, y)
    model.zero_grad()
    with pytest.raises(RuntimeError, match=r"^gradients must be kept between"):
        block(optimizer, x, y)
        optimizer.step()
