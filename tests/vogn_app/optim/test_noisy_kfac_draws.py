"""Noisy K-FAC's draws in training: what has noise, and that they leave no trace."""

# ruff: noqa: PT012 - what raises is the block with its statements

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    batch,
    block,
    network,
    normed,
    weights,
)
from tests.vogn_app.optim.noisy import train
from vogn_app import NoisyKFAC


def test_the_first_step_is_taken_at_the_mean_and_the_next_is_not():
    optimizer = NoisyKFAC(network(), num_data=20)
    before = weights(optimizer.model)
    with optimizer.sampled_params():
        assert_bitwise(weights(optimizer.model), before)
    train(optimizer, 1)
    before = weights(optimizer.model)
    with optimizer.sampled_params():
        for name, value in optimizer.model.state_dict().items():
            assert not (value == before[name]).any(), name
    assert_bitwise(weights(optimizer.model), before)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("when", [True, False], ids=["train", "predict"])
def test_after_an_exception_everything_is_as_before(when, error):
    model, (x, y) = network(), batch()
    optimizer, twin = (
        NoisyKFAC(m, num_data=3) for m in (model, copy.deepcopy(model))
    )  # fmt: skip
    for each in (optimizer, twin):
        train(each, 2)
        block(each, x, y)
    before = weights(model)
    gradients = {n: p.grad.clone() for n, p in model.named_parameters()}
    with pytest.raises(error), optimizer.sampled_params(train=when):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        raise error
    assert_bitwise(weights(model), before)
    assert_bitwise({n: p.grad for n, p in model.named_parameters()}, gradients)
    optimizer.step()
    twin.step()
    assert_bitwise(weights(model), weights(twin.model))


def test_what_must_be_outside_a_block_is_an_error_inside():
    optimizer = NoisyKFAC(network(), num_data=3)
    with optimizer.sampled_params(train=True):
        with pytest.raises(RuntimeError, match="must not be nested"):
            optimizer.sampled_params().__enter__()
        with pytest.raises(RuntimeError, match="step must be called outside"):
            optimizer.step()
        with pytest.raises(RuntimeError, match="posterior must be called outside"):
            optimizer.posterior()
    with pytest.raises(RuntimeError, match="step must follow a backward pass"):
        optimizer.step()


def test_layers_that_run_without_the_model_are_an_error():
    model, (x, y) = network(), batch()
    optimizer = NoisyKFAC(model, num_data=20)
    with (
        pytest.raises(RuntimeError, match="must itself be called"),
        optimizer.sampled_params(train=True),
    ):
        F.cross_entropy(model[2](model[1](model[0](x))), y).backward()


def test_the_global_generator_is_left_alone():
    optimizer = NoisyKFAC(network(), num_data=3, curvature="fisher")
    before = torch.get_rng_state()
    train(optimizer, 2)
    optimizer.posterior().sample()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", ["deterministic", "sampled"])
def test_batch_norm_has_noise_and_prior_only_if_wanted(kind):
    model = normed()
    optimizer = NoisyKFAC(model, num_data=20, batch_norm=kind, prior_precision=3.0)
    train(optimizer, 2)
    posterior = optimizer.posterior()
    assert ("1.weight" in posterior.sampled_names) is (kind == "sampled")
    assert posterior.prior_precision.keys() == set(posterior.sampled_names)
    before = weights(model)
    with optimizer.sampled_params():
        moved = not torch.equal(model[1].bias, before["1.bias"])
        assert moved is (kind == "sampled")
        assert not torch.equal(model[0].bias, before["0.bias"])


class Scaled(nn.Module):
    """With a parameter that no layer owns."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(3, 2), nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.scale * self.layer(x)


def test_a_parameter_without_a_block_is_trained_without_noise_and_prior():
    model = Scaled()
    with pytest.warns(UserWarning, match="scale .* have no curvature"):
        optimizer = NoisyKFAC(model, num_data=20, lr=0.1, momentum=0.0, kl_clip=None)
    train(optimizer, 1)
    x, y = batch()
    optimizer.zero_grad()
    block(optimizer, x, y)
    before, gradient = model.scale.item(), model.scale.grad.item()
    with optimizer.sampled_params():
        assert model.scale == before
        assert model.layer.bias.detach().ne(0).all()
    optimizer.step()
    assert model.scale.item() == pytest.approx(before - 0.1 * gradient)
    assert "scale" not in optimizer.posterior().sampled_names


def test_the_mean_deviation_is_that_of_the_posterior():
    optimizer = NoisyKFAC(network(), num_data=20, temperature=0.3)
    assert optimizer.mean_deviation() == 0
    train(optimizer, 2)
    marginals = optimizer.posterior().marginals().precision.values()
    expected = torch.cat([p.rsqrt().flatten() for p in marginals]).mean()
    torch.testing.assert_close(optimizer.mean_deviation(), expected)
