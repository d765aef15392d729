"""Prior precisions that posteriors ask for, against exact evidence and objectives."""

import copy
import doctest
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import assert_bitwise, batch, block, normed, weights
from vogn_app import IVON, VOGN, NoisyKFAC, Vadam, learn_prior
from vogn_app.optim import prior_learning
from vogn_app.optim.prior_learning import data_curvature, together

NUM, NOISE = 12, 0.3


def regression(orthogonal):
    """Inputs and targets of a linear regression with noise of variance NOISE."""
    x = torch.randn(NUM, 4)
    x = torch.linalg.qr(x).Q * torch.tensor([3.0, 1.0, 5.0, 0.5]) if orthogonal else x
    return x, x @ torch.randn(4) + NOISE**0.5 * torch.randn(NUM)


def settle(optimizer, x, y, tau):
    """Let q be the best one for the optimizer's prior: mean and curvature exact."""
    (group,) = optimizer.param_groups
    (weight,) = group["params"]
    hessian = x.T @ x / NOISE / tau
    precision = hessian + group["prior_precision"] * torch.eye(4)
    with torch.no_grad():
        weight.copy_(torch.linalg.solve(precision, x.T @ y / NOISE / tau))
    state = optimizer.state[weight]
    h = hessian.diagonal() * tau / NUM
    left = group["curvature_decay"] ** state["refreshes"]
    state["curvature"] = left * group["initial_curvature"] + (1 - left) * h


def made(tau, **settings):
    """VOGN on four weights that has taken a step."""
    model = nn.Linear(4, 1, bias=False)
    settings = {"damping": 0.0, "temperature": tau, **settings}
    optimizer = VOGN(model, num_data=NUM, prior_precision=1.0, **settings)
    with optimizer.sampled_params(train=True):
        model(torch.randn(6, 4)).square().mean().backward()
    optimizer.step()
    weight = model.weight
    weight.data = weight.data[0]  # a vector, as in the formulas
    return optimizer


def learnt(optimizer, x, y, tau):
    delta = 1.0
    for _ in range(60):
        optimizer.state[optimizer.param_groups[0]["params"][0]].setdefault("step", 1)
        settle(optimizer, x, y, tau)
        (delta,) = learn_prior(optimizer)
    settle(optimizer, x, y, tau)
    return delta


def evidence(x, y, tau, delta):
    """Of the likelihood to the power 1 / tau, but for terms without delta."""
    covariance = tau * NOISE * torch.eye(NUM) + x @ x.T / delta
    zeros = torch.zeros(NUM)
    return torch.distributions.MultivariateNormal(zeros, covariance).log_prob(y)


def objective(x, y, tau, delta):
    """-(N E_q[loss] + tau KL) / tau of the best diagonal q for delta."""
    hessian = x.T @ x / NOISE / tau
    full = hessian + delta * torch.eye(4)
    mean = torch.linalg.solve(full, x.T @ y / NOISE / tau)
    variance = 1 / full.diagonal()
    expected = (y - x @ mean).square().sum() + (x.square() @ variance).sum()
    kl = delta * (mean.square() + variance) - 1 - (delta * variance).log()
    return -expected / (2 * NOISE * tau) - kl.sum() / 2


@pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
@pytest.mark.parametrize(
    ("orthogonal", "height"), [(True, evidence), (False, objective)]
)
def test_it_comes_to_rest_at_the_maximum(tau, orthogonal, height):
    """Of the evidence where a diagonal q is exact, else of the objective itself."""
    x, y = regression(orthogonal)
    optimizer = made(tau)
    delta = learnt(optimizer, x, y, tau)
    grid = [delta * math.exp(t / 10) for t in range(-30, 31) if t]
    best = float(height(x, y, tau, delta))
    assert all(best > float(height(x, y, tau, other)) for other in grid)
    step = 1e-4
    slope = height(x, y, tau, delta * (1 + step))
    slope -= height(x, y, tau, delta * (1 - step))
    assert abs(float(slope)) < 1e-8
    # Without damping and the start of s it is D / sum(mu^2 + 1 / P).
    (weight,) = optimizer.param_groups[0]["params"]
    hessian = (x.T @ x / NOISE / tau).diagonal() + delta
    total = (weight.detach().square() + 1 / hessian).sum()
    assert delta == pytest.approx(4 / float(total), rel=1e-6)


def test_the_start_of_the_curvature_and_damping_are_no_part_of_it():
    x, y = regression(orthogonal=True)
    found = [
        learnt(made(1.0, **settings), x, y, 1.0)
        for settings in ({}, {"initial_curvature": 7.0}, {"damping": 0.5})
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-9)


def test_the_example_runs():
    torch.set_default_dtype(torch.float32)
    names = {"torch": torch, "nn": nn, "VOGN": VOGN}
    results = doctest.testmod(prior_learning, extraglobs=names)
    assert results.attempted
    assert not results.failed


def test_an_average_s_start_is_taken_out():
    values = torch.rand(10, 3) + 1
    average = torch.full((3,), 50.0)
    for value in values:
        average = 0.9 * average + 0.1 * value
    weights_of = 0.9 ** torch.arange(9.0, -1, -1)
    expected = (weights_of.unsqueeze(1) * values).sum(0) / weights_of.sum()
    torch.testing.assert_close(data_curvature(average, 50.0, 0.9, 10), expected)
    assert data_curvature(torch.tensor(1.0), 50.0, 0.9, 10) == 0


def train(optimizer, num_steps=3):
    for step in range(num_steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(6, 3, generator=generator)
        optimizer.zero_grad()
        block(optimizer, x, torch.randint(2, (6,), generator=generator))
        optimizer.step()


@pytest.mark.parametrize("method", [VOGN, IVON, Vadam])
def test_all_share_a_prior_or_each_group_has_its_own(method):
    model = normed()
    groups = [{"params": model[0].parameters()}, {"params": model[1:].parameters()}]
    optimizer = method(model, num_data=20, params=groups)
    train(optimizer)
    before = weights(model)
    (one,) = learn_prior(optimizer)
    priors = [group["prior_precision"] for group in optimizer.param_groups]
    assert priors == [one, 0.0, one]  # BatchNorm has none
    each = learn_prior(optimizer, by="group")
    assert len(each) == 2
    assert min(each) < one < max(each)
    assert set(optimizer.posterior().prior_precision.values()) == set(each)
    assert_bitwise(weights(model), before)


def test_it_goes_with_the_state():
    first, second = (VOGN(normed(), num_data=20) for _ in range(2))
    second.model.load_state_dict(first.model.state_dict())
    train(first)
    learn_prior(first)
    second.model.load_state_dict(first.model.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for optimizer in (first, second):
        train(optimizer)
    assert_bitwise(weights(first.model), weights(second.model))
    assert learn_prior(first) == learn_prior(second)


def test_what_no_step_has_changed_keeps_its_prior():
    model = normed()
    optimizer = VOGN(model, num_data=20, prior_precision=3.0)
    assert learn_prior(optimizer) == []
    train(optimizer)
    optimizer.set_prior(optimizer.posterior())
    assert learn_prior(optimizer) == []
    assert optimizer.param_groups[0]["prior_precision"] == 3.0


def test_limits_hold():
    optimizer = VOGN(normed(), num_data=20)
    train(optimizer)
    assert learn_prior(optimizer, maximum=1e-5) == [1e-5]
    assert learn_prior(optimizer, minimum=1e8) == [1e8]


def test_estimated_curvature_needs_no_correction():
    optimizer = VOGN(normed(), num_data=20, initial_curvature="estimate", lr=1e-3)
    train(optimizer)
    (delta,) = learn_prior(optimizer)
    members = optimizer.posterior_precision()
    group = optimizer.param_groups[0]
    named = dict(optimizer.model.named_parameters())
    values = {n: p - 20 * group["damping"] - delta for n, p in members.items()}
    pulls = delta * sum(float(named[n].detach().square().sum()) for n in members)
    known = sum(float((v / (v + delta)).sum()) for v in values.values())
    assert pulls == pytest.approx(known, rel=1e-6)


def test_wrong_use_is_named():
    model = normed()
    optimizer = VOGN(model, num_data=20)
    with pytest.raises(ValueError, match=r"by must be one of all, group, got 'row'\."):
        learn_prior(optimizer, by="row")
    with pytest.raises(ValueError, match=r"minimum must be .* got 0"):
        learn_prior(optimizer, minimum=0)
    with pytest.raises(ValueError, match=r"VOGN, IVON or Vadam, got a NoisyKFAC\."):
        learn_prior(NoisyKFAC(model, num_data=20))
    with optimizer.sampled_params(), pytest.raises(RuntimeError, match="outside samp"):
        learn_prior(optimizer)
    x, y = batch()
    F.cross_entropy(model(x), y)  # and the model is whole


def test_curvature_between_refreshes_counts_the_steps_it_stands_for():
    """Taken after 1, 2 or 3 steps, of which the first has refreshed, h is the same."""
    found, model = [], normed()
    for num_steps in (1, 2, 3):
        twin = copy.deepcopy(model)
        optimizer = VOGN(twin, num_data=20, curvature_interval=4, lr=1e-30)
        train(optimizer, num_steps)
        found += learn_prior(optimizer)
    assert found == pytest.approx([found[0]] * 3)


def test_curvature_of_several_devices_is_put_together_on_the_first():
    parts = torch.ones(2, device="meta"), torch.ones(3)
    whole = together(parts)
    assert (whole.shape, whole.device) == ((5,), parts[0].device)
