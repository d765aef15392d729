"""VOGN as a torch optimizer: schedulers, states, low precision, and learning."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import batch, block, network, weights
from vogn_app import VOGN


def test_a_scheduler_sets_the_learning_rate():
    model, (x, y) = network(), batch()
    optimizer = VOGN(model, num_data=20, lr=0.4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5**t)
    for step in range(3):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4 * 0.5**step)
        block(optimizer, x, y)
        optimizer.step()
        scheduler.step()


# --- states of others -------------------------------------------------------------


def test_a_state_of_another_num_data_is_rejected():
    model = network()
    state = VOGN(model, num_data=20).state_dict()
    with pytest.raises(
        ValueError, match="num_data must be 30 in the state to load, got 20"
    ):
        VOGN(model, num_data=30).load_state_dict(state)


def test_a_state_of_another_optimizer_is_rejected():
    model = network()
    state = torch.optim.SGD(model.parameters(), lr=0.1).state_dict()
    with pytest.raises(
        ValueError, match="state_dict must be of a VOGN, got none of noise, num_steps"
    ):
        VOGN(model, num_data=30).load_state_dict(state)


def test_a_state_of_other_shapes_is_rejected_and_changes_nothing():
    wide = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    donor = VOGN(wide, num_data=20)
    block(donor, *batch())
    donor.step()
    optimizer = VOGN(network(), num_data=20)
    with pytest.raises(
        ValueError,
        match=r"^momentum_buffer must have shape \(4, 3\) in the state to load, "
        r"got \(5, 3\)\.$",
    ):
        optimizer.load_state_dict(donor.state_dict())
    assert not optimizer.state


# --- low precision ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_in_lower_precision_trains(dtype):
    model = network().to(dtype)
    optimizer = VOGN(model, num_data=20)
    before = weights(model)
    for _ in range(2):
        x, y = batch()
        for _ in range(2):
            block(optimizer, x.to(dtype), y)
        optimizer.step()
    for name, value in weights(model).items():
        assert value.dtype == dtype
        assert value.isfinite().all()
        assert not torch.equal(value, before[name])


def test_training_under_autocast_is_close_to_full_precision():
    torch.set_default_dtype(torch.float32)
    results = []
    x, y = batch(16)
    start = network()
    for enabled in (False, True):
        model = copy.deepcopy(start)
        optimizer = VOGN(model, num_data=1000, lr=0.01)
        for _ in range(3):
            with optimizer.sampled_params(train=True):
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                    loss = F.cross_entropy(model(x), y)
                loss.backward()
            optimizer.step()
        assert model[0].weight.dtype == torch.float32
        results.append(model[0].weight.detach() - start[0].weight)
    error = (results[1] - results[0]).norm() / results[0].norm()
    assert 0 < error < 0.05


def test_the_curvature_of_half_precision_parameters_moves():
    curvatures, start = [], 16_000 / 60_000
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        model, (x, y) = network().to(dtype), batch()
        optimizer = VOGN(model, num_data=60_000, initial_curvature=start)
        for _ in range(20):
            block(optimizer, x.to(dtype), y)
            optimizer.step()
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
        curvatures.append(optimizer.state[model[0].weight]["curvature"])
        assert curvatures[-1].dtype == torch.float32
        assert torch.equal(curvatures[-1], state["state"][0]["curvature"])
    torch.testing.assert_close(*curvatures, rtol=1e-3, atol=0)
    assert (curvatures[1] < 0.99 * start).all()


# --- learning ---------------------------------------------------------------------


def test_training_learns_what_the_noise_allows():
    model = network()
    optimizer = VOGN(
        model, num_data=200, prior_precision=1.0, lr=0.2, initial_curvature=0.3
    )
    x = torch.randn(200, 3)
    y = (x[:, 0] + x[:, 1] > 0).long()
    start = F.cross_entropy(model(x), y).item()
    for _ in range(150):
        optimizer.step(lambda: _backward(model, x, y))
    assert F.cross_entropy(model(x), y).item() < 0.5 * start


def _backward(model, x, y):
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    return loss
