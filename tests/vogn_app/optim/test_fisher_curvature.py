"""Steps whose curvature is that of labels drawn from the model."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from tests.vogn_app.optim.networks import (
    DETERMINISTIC,
    assert_bitwise,
    assert_same,
    batch,
    block,
    gathered,
    loop,
    network,
    weights,
)
from vogn_app import VOGN
from vogn_app.likelihoods import Categorical, Gaussian


class Unlikely:
    """Labels that follow from the outputs, so that tests know them."""

    loss = Categorical().loss

    def draw(self, outputs, generator):
        return outputs.argmin(1)


def fisher(model, likelihood=None, **options):
    likelihood = likelihood or Unlikely()
    return VOGN(
        model, num_data=20, curvature="fisher", likelihood=likelihood, **options
    )


def expected_squares(model, x):
    """Mean of squared gradients at the least likely labels."""
    with torch.no_grad():
        labels = model(x).argmin(1)
    return loop(model, x, labels)[1]


@pytest.mark.parametrize("sizes", [[6], [3, 3], [1, 5]])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_and_squares_have_one_scale_whatever_the_loss(sizes, reduction):
    model, (x, y) = network(), batch()
    optimizer = fisher(model, loss_reduction=reduction, **DETERMINISTIC)
    for part_x, part_y in zip(x.split(sizes), y.split(sizes), strict=True):
        block(optimizer, part_x, part_y, reduction)
    gradients, squares = gathered(optimizer)
    assert_same(gradients, loop(model, x, y)[0])
    assert_same(squares, expected_squares(model, x))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_micro_batches_in_one_block_have_that_scale_too(reduction):
    model, (x, y) = network(), batch()
    optimizer = fisher(model, loss_reduction=reduction, **DETERMINISTIC)
    with optimizer.sampled_params(train=True):
        for part in (slice(0, 4), slice(4, 6)):
            loss = F.cross_entropy(model(x[part]), y[part], reduction="sum")
            (loss / (6 if reduction == "mean" else 1)).backward()
    gradients, squares = gathered(optimizer)
    assert_same(gradients, loop(model, x, y)[0])
    assert_same(squares, expected_squares(model, x))


def test_squares_are_those_of_the_drawn_weights():
    model, twin, (x, y) = network(), network(), batch()
    optimizer = fisher(model)
    with optimizer.sampled_params(train=True):
        twin.load_state_dict(model.state_dict())
        F.cross_entropy(model(x), y).backward()
    assert_same(gathered(optimizer)[1], expected_squares(twin, x))


def test_the_names_of_likelihoods_draw_from_the_optimizers_own_generator():
    model, (x, y) = network(), batch()
    other = copy.deepcopy(model)
    state = torch.get_rng_state()
    found = []
    for seed, net in ((1, model), (1, other), (2, model)):
        optimizer = fisher(net, "categorical", seed=seed, **DETERMINISTIC)
        block(optimizer, x, y)
        found.append(gathered(optimizer)[1])
        optimizer.zero_grad()
    assert_bitwise(found[0], found[1])
    assert not torch.equal(found[0]["0.weight"], found[2]["0.weight"])
    assert torch.equal(torch.get_rng_state(), state)


def test_the_gaussian_of_a_regression_needs_only_its_variance():
    """Squares are mean x^2 eps^2 / variance for a linear model, whatever its errors."""
    model, x = nn.Linear(3, 1), torch.randn(6, 3)
    drawn = []

    class Watched:
        def draw(self, outputs, generator):
            drawn.append(Gaussian(4.0).draw(outputs, generator) - outputs)
            return outputs + drawn[0]

        def loss(self, outputs, labels):
            return Gaussian(4.0).loss(outputs, labels)

    optimizer = fisher(model, Watched(), **DETERMINISTIC)
    with optimizer.sampled_params(train=True):
        (1000 + model(x)).square().mean().backward()
    squares = gathered(optimizer)[1]["weight"]
    expected = (x * drawn[0] / 4).square().mean(0, keepdim=True)
    torch.testing.assert_close(squares, expected)


def test_steps_between_refreshes_draw_no_labels():
    model, (x, y), calls = network(), batch(), []

    class Counting(Unlikely):
        def draw(self, outputs, generator):
            calls.append(len(outputs))
            return super().draw(outputs, generator)

    optimizer = fisher(model, Counting(), curvature_interval=3)
    for _ in range(4):
        block(optimizer, x, y)
        optimizer.step()
    assert calls == [6, 6]


@pytest.mark.parametrize("unscale", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_scale_leaves_squares_alone(unscale, reduction):
    plain, (x, y) = network(), batch()
    scaled = copy.deepcopy(plain)
    reference = fisher(plain, loss_reduction=reduction)
    optimizer = fisher(scaled, loss_reduction=reduction)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for _ in range(3):
        for _ in range(2):
            block(reference, x, y, reduction)
            told = scaler if unscale else None
            with optimizer.sampled_params(train=True, loss_scale=told):
                loss = F.cross_entropy(scaled(x), y, reduction=reduction)
                scaler.scale(loss).backward()
        reference.step()
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    assert_same(weights(scaled), weights(plain))
    for p, q in zip(plain.parameters(), scaled.parameters(), strict=True):
        ours, theirs = optimizer.state[q], reference.state[p]
        torch.testing.assert_close(ours["curvature"], theirs["curvature"])


def test_a_scaler_that_unscales_need_not_be_told_of():
    """Only squares would need the scale, and these do not carry it."""
    model, (x, y) = network(), batch()
    optimizer, scaler = fisher(model), torch.amp.GradScaler("cpu", init_scale=4.0)
    with optimizer.sampled_params(train=True):
        scaler.scale(F.cross_entropy(model(x), y)).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert optimizer.num_steps == 1


def test_a_copy_has_the_same_curvature_and_draws_the_same_labels():
    model, (x, y) = network(), batch()
    optimizer = fisher(model, "categorical")
    block(optimizer, x, y)
    optimizer.step()
    twin_model, twin = copy.deepcopy((model, optimizer))
    assert (twin.curvature, type(twin.likelihood)) == ("fisher", Categorical)
    for each in (optimizer, twin):
        block(each, x, y)
        each.step()
    assert_bitwise(weights(twin_model), weights(model))


def test_a_run_that_is_resumed_draws_the_same_labels():
    model, (x, y) = network(), batch()
    optimizer = fisher(model, "categorical")
    block(optimizer, x, y)
    optimizer.step()
    state = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    block(optimizer, x, y)
    optimizer.step()
    again = network()
    resumed = fisher(again, "categorical", seed=9)
    again.load_state_dict(state[0])
    resumed.load_state_dict(state[1])
    block(resumed, x, y)
    resumed.step()
    assert_bitwise(weights(again), weights(model))


def test_a_likelihood_has_no_effect_on_empirical_curvature():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, likelihood="gaussian", **DETERMINISTIC)
    block(optimizer, x, y)
    for got, truth in zip(gathered(optimizer), loop(model, x, y), strict=True):
        assert_same(got, truth)


def test_after_an_error_in_the_models_call_everything_is_as_before():
    model, (x, y) = nn.Linear(3, 1), batch()
    optimizer, before = fisher(model, "categorical"), weights(model)
    with pytest.raises(ValueError, match="at least 2 classes"):
        block(optimizer, x, y)
    assert_bitwise(weights(model), before)
    assert all(p.grad is None for p in model.parameters())


def test_a_loss_of_sums_over_tokens_takes_a_likelihood_of_ones_own():
    """The sum over an example's tokens, where Categorical belongs to their mean."""

    class Tokens:
        def draw(self, outputs, generator):
            return outputs.argmin(1)

        def loss(self, outputs, labels):
            return F.cross_entropy(outputs, labels, reduction="sum") / len(outputs)

    model = nn.Sequential(nn.Linear(3, 4), nn.Unflatten(1, (2, 2)))
    x = torch.randn(6, 3)
    optimizer = fisher(model, Tokens(), **DETERMINISTIC)
    with optimizer.sampled_params(train=True):
        F.cross_entropy(model(x), torch.randint(2, (6, 2))).backward()
    labels = model(x).argmin(1)
    rows = example_gradients(
        model,
        lambda i: F.cross_entropy(
            model(x[i : i + 1]), labels[i : i + 1], reduction="sum"
        ),
        6,
    )
    expected = {k: row.square().mean(0) for k, row in rows.items()}
    assert_same(gathered(optimizer)[1], expected)
