"""The formulas of optimizers that keep weights are those of the code."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import vogn_app
from trainers.formulas import FORMULAS
from trainers.monte_carlo_formulas import SGHMC, SGLD, SNAPSHOT
from vogn_app.optim.noise import NoiseSource

ROOT = Path(__file__).resolve().parents[2]
N, eta, delta, tau = 50, 0.3, 4.0, 0.5


@pytest.mark.parametrize("formula", [SGLD, SGHMC, SNAPSHOT])
def test_the_code_is_where_it_says(formula):
    assert (ROOT / formula.code).is_file()
    assert formula in FORMULAS.values()


def steps(kind, num=2, **settings):
    """Weights, gradients and weights after of some steps of one weight matrix."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2, bias=False).double()
    x, y = torch.randn(6, 3).double(), torch.randint(2, (6,))
    optimizer = kind(model, num_steps=num, lr=eta, **settings)
    for step in range(num):
        before = model.weight.detach().clone()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        source = NoiseSource(0)
        source.begin_at(step)
        (xi,) = source.normals([model.weight])
        yield before, model.weight.grad, xi, model.weight.detach().clone()


CHAIN = {"num_data": N, "prior_precision": delta, "temperature": tau, "exploration": 0}


def test_steps_of_sgld_are_the_formula():
    for theta, g, xi, after in steps(vogn_app.SGLD, **CHAIN):
        noise = math.sqrt(2 * eta * tau / N) * xi
        expected = theta - eta * (g + delta / N * theta) + noise
        torch.testing.assert_close(after, expected)


def test_steps_of_sghmc_are_the_formula():
    v, beta = 0.0, 0.7
    for theta, g, xi, after in steps(vogn_app.SGHMC, momentum=beta, **CHAIN):
        v = beta * v - eta * (g + delta / N * theta)
        v = v + math.sqrt(2 * (1 - beta) * eta * tau / N) * xi
        torch.testing.assert_close(after, theta + v)


def test_steps_of_the_snapshot_ensemble_are_the_formula():
    v, beta, decay = 0.0, 0.7, 0.01
    settings = {"momentum": beta, "weight_decay": decay}
    for theta, g, _, after in steps(vogn_app.SnapshotEnsemble, **settings):
        v = beta * v + g + decay * theta
        torch.testing.assert_close(after, theta - eta * v)
