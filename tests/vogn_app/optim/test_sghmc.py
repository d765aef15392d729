"""Tests of SGHMC: exact steps, and the covariance that the chain has to have."""

import doctest
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import assert_bitwise, batch, network, weights
from tests.vogn_app.optim.test_sgld import WALKERS, Walkers, walk, within
from vogn_app.optim import sghmc
from vogn_app.optim.sghmc import SGHMC, sghmc_update
from vogn_app.optim.sgld import SGLD

PLAN = {"cycles": 1, "exploration": 0.0, "annealed": False, "num_kept": 1}


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_stationary_covariance_is_that_of_the_linear_recursion(
    momentum, temperature
):
    N, lr, h, delta = 50, 0.4, 1.3, 20.0
    optimizer = SGHMC(
        Walkers(), num_data=N, num_steps=120, lr=lr, momentum=momentum,
        prior_precision=delta, temperature=temperature, **PLAN,
    )  # fmt: skip
    w = walk(optimizer, 120, h)  # what is left of the start: 0.7^120
    (parameter,) = optimizer.param_groups[0]["params"]
    v = optimizer.state[parameter]["momentum_buffer"]
    k, q2 = lr * (h + delta / N), 2 * (1 - momentum) * lr * temperature / N
    room = 2 * (1 + momentum) - k
    var_w = q2 * (1 + momentum) / (k * (1 - momentum) * room)
    var_v = 2 * q2 / ((1 - momentum) * room)
    within(w.var(), var_w)
    within(v.var(), var_v)
    # A product of normals has a variance of (1 + r^2) of that of the two variances.
    deviation = math.sqrt((var_w * var_v + (var_v / 2) ** 2) / WALKERS)
    assert (w * v).mean() == pytest.approx(var_v / 2, abs=6 * deviation)
    exact = temperature / (N * h + delta) / (1 - k / (2 * (1 + momentum)))
    assert var_w == pytest.approx(exact)


def test_the_covariance_solves_its_equation():
    # S = A S A^T + Q for (w, v) <- A (w, v) + noise, the noise of both the same.
    m, k, q2 = 0.7, 0.5, 0.02
    A = torch.tensor([[1 - k, m], [-k, m]])
    room = 2 * (1 + m) - k
    v = 2 * q2 / ((1 - m) * room)
    S = torch.tensor([[q2 * (1 + m) / (k * (1 - m) * room), v / 2], [v / 2, v]])
    torch.testing.assert_close(A @ S @ A.T + q2, S)


def test_a_step_by_hand():
    w, v, g, xi = (torch.randn(3) for _ in range(4))
    group = {
        "lr": 0.3, "momentum": 0.8, "prior_precision": 4.0, "temperature": 0.5,
        "num_data": 10, "augmentation_factor": 2.0,
    }  # fmt: skip
    silent = 0.8 * v - 0.3 * (g + 4 / 20 * w)
    noisy = silent + math.sqrt(2 * 0.2 * 0.3 * 0.5 / 20) * xi
    for noise, expected in ((None, silent), ([xi], noisy)):
        weight, velocity, gradient = w.clone(), v.clone(), g.clone()
        sghmc_update([weight], [gradient], [velocity], noise, group)
        torch.testing.assert_close(velocity, expected)
        torch.testing.assert_close(weight, w + expected)
        assert torch.equal(gradient, g)


def test_without_momentum_it_is_sgld():
    one, other = network(), network()
    other.load_state_dict(one.state_dict())
    plan = {"num_data": 30, "num_steps": 4, "lr": 0.2, "exploration": 0.0}
    optimizers = [(one, SGLD(one, **plan)), (other, SGHMC(other, momentum=0.0, **plan))]
    for x, y in [batch() for _ in range(4)]:
        for model, optimizer in optimizers:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    for name, value in weights(one).items():
        torch.testing.assert_close(other.state_dict()[name], value)


def test_a_state_of_another_shape_is_refused():
    model = network()
    optimizer = SGHMC(model, num_data=30, num_steps=4)
    x, y = batch()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    state, before = optimizer.state_dict(), weights(model)
    state["state"][0]["momentum_buffer"] = torch.zeros(2)
    with pytest.raises(ValueError, match=r"momentum_buffer must have shape \(4, 3\)"):
        optimizer.load_state_dict(state)
    assert_bitwise(weights(model), before)


def test_a_momentum_of_1_has_no_friction():
    with pytest.raises(ValueError, match=r"momentum must be a finite number in \[0, 1"):
        SGHMC(network(), num_data=30, num_steps=4, momentum=1.0)


def test_the_example_in_the_docstring_runs():
    torch.set_default_dtype(torch.float32)
    results = doctest.testmod(sghmc, extraglobs={"torch": torch, "nn": nn})
    assert results.attempted >= 5
    assert results.failed == 0
