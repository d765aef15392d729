"""Tests of SGLD: exact steps, and the width that the posterior has to have."""

import doctest
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import assert_bitwise, batch, network, weights
from vogn_app.optim import sgld
from vogn_app.optim.noise import NoiseSource
from vogn_app.optim.sgld import SGLD, sgld_update

WALKERS = 20_000  # chains side by side, one a weight


class Walkers(nn.Module):
    """As many chains as weights; the mean loss of each is h w^2 / 2."""

    def __init__(self, num=WALKERS):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(num))


def walk(optimizer, num_steps, h):
    """Take steps on the quadratic with curvature h."""
    (w,) = optimizer.param_groups[0]["params"]
    for _ in range(num_steps):
        w.grad = h * w.detach()
        optimizer.step()
    return w.detach()


def chain(num_data=50, num_steps=60, **settings):
    plan = {"cycles": 1, "exploration": 0.0, "annealed": False, "num_kept": 1}
    return SGLD(Walkers(), num_data=num_data, num_steps=num_steps, **plan, **settings)


def within(got, expected, num=WALKERS):
    """Variances of normals have relative deviations sqrt(2 / n); here are six."""
    assert got / expected == pytest.approx(1, abs=6 * math.sqrt(2 / num))


@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_the_stationary_variance_is_that_of_the_linear_recursion(temperature):
    N, lr, h, delta = 50, 0.4, 1.3, 20.0
    optimizer = chain(N, lr=lr, prior_precision=delta, temperature=temperature)
    w = walk(optimizer, 60, h)
    a = 1 - lr * (h + delta / N)  # a^120 is nothing
    variance = 2 * lr * temperature / N / (1 - a**2)
    within(w.var(), variance)
    # The posterior's own but for the size of the steps, as the docstring says.
    exact = temperature / (N * h + delta) / (1 - lr * (h + delta / N) / 2)
    assert variance == pytest.approx(exact)


def test_small_steps_give_the_posterior_of_a_gaussian_mean():
    # h = 1 is the curvature of (w - y)^2 / 2; from N examples the posterior of w has
    # the variance 1 / (N + delta). Steps of 0.02 err by 1 %.
    for N in (10, 1000):
        optimizer = chain(N, 300, lr=0.02, prior_precision=N / 4)
        w = walk(optimizer, 300, 1.0)
        settled = 1 - (1 - 0.02 * 1.25) ** 600
        within(w.var() / settled * (1 - 0.02 * 1.25 / 2), 1 / (N + N / 4))


def test_data_that_are_duplicated_make_the_posterior_narrower_by_sqrt_2():
    # The mean loss is the same; the same noise, and a prior of no weight.
    one = walk(chain(50, lr=0.1, prior_precision=0.0), 20, 1.0)
    two = walk(chain(100, lr=0.1, prior_precision=0.0), 20, 1.0)
    torch.testing.assert_close(two * math.sqrt(2), one)
    # An example that counts for two is the same as two examples.
    other = chain(50, lr=0.1, prior_precision=0.0, augmentation_factor=2.0)
    assert torch.equal(walk(other, 20, 1.0), two)


def test_a_step_by_hand():
    w, g, xi = (torch.randn(3) for _ in range(3))
    expected = w - 0.3 * (g + 4 / 20 * w) + math.sqrt(2 * 0.3 * 0.5 / 20) * xi
    group = {
        "lr": 0.3, "prior_precision": 4.0, "temperature": 0.5, "num_data": 10,
        "augmentation_factor": 2.0,
    }  # fmt: skip
    silent, noisy, gradient = w.clone(), w.clone(), g.clone()
    sgld_update([noisy], [g], [xi], group)
    torch.testing.assert_close(noisy, expected)
    sgld_update([silent], [g], None, group)
    torch.testing.assert_close(silent, w - 0.3 * (g + 4 / 20 * w))
    assert torch.equal(g, gradient)


def test_the_noise_is_that_of_the_seed_and_the_step():
    model = network()
    optimizer = SGLD(model, num_data=30, num_steps=4, cycles=1, exploration=0, seed=7)
    parameters = list(model.parameters())
    before = [p.detach().clone() for p in parameters]
    for step in range(2):
        optimizer.zero_grad()
        for p in parameters:
            p.grad = torch.zeros_like(p)
        source = NoiseSource(7)
        source.begin_at(step)
        sgld_update(
            before, [p.grad for p in parameters], source.normals(before),
            optimizer.param_groups[0],
        )  # fmt: skip
        optimizer.step()
    for ours, theirs in zip(parameters, before, strict=True):
        assert torch.equal(ours, theirs)


def test_groups_have_settings_of_their_own():
    model = network()
    groups = [
        {"params": model[0].parameters(), "prior_precision": 3.0},
        {"params": model[2].parameters(), "temperature": 0.0, "lr": 0.0},
    ]
    optimizer = SGLD(model, num_data=2400, num_steps=4, params=groups, exploration=0.0)
    assert [g["prior_precision"] for g in optimizer.param_groups] == [3.0, 2.0]
    before = weights(model)
    x, y = batch()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    after = weights(model)
    assert_bitwise(
        {k: v for k, v in after.items() if k[0] == "2"},
        {k: v for k, v in before.items() if k[0] == "2"},
    )
    assert not torch.equal(after["0.weight"], before["0.weight"])


def test_the_example_in_the_docstring_runs():
    torch.set_default_dtype(torch.float32)
    results = doctest.testmod(sgld, extraglobs={"torch": torch, "nn": nn})
    assert results.attempted >= 6
    assert results.failed == 0
