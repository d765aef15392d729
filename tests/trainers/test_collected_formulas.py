"""Tests of the formulas of optimizers that collect: they are those of the code."""

from pathlib import Path

import pytest
import torch
from torch import nn

from trainers.collected_formulas import MC_DROPOUT, SWAG
from trainers.formulas import FORMULAS
from vogn_app import SWAG as SWAGOptimizer
from vogn_app import MCDropout

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("formula", [SWAG, MC_DROPOUT])
def test_the_code_is_where_it_says(formula):
    assert (ROOT / formula.code).is_file()
    assert formula in FORMULAS.values()


def test_steps_and_moments_of_swag_are_the_formula():
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False).double()
    lr, beta, decay = 0.1, 0.5, 0.2
    optimizer = SWAGOptimizer(
        model, num_steps=4, start=0, lr=lr, momentum=beta, weight_decay=decay
    )
    theta, v = model.weight.detach().clone(), torch.zeros(1, 3).double()
    mean, deviations, passed = torch.zeros(1, 3).double(), [], []
    for n in range(1, 5):
        g = torch.randn(1, 3).double()
        model.weight.grad = g.clone()
        optimizer.step()
        v = beta * v + g + decay * theta
        theta = theta - lr * v
        mean = mean + (theta - mean) / n
        deviations.append(theta - mean)
        passed.append(theta)
    posterior = optimizer.posterior()
    torch.testing.assert_close(posterior.mean["weight"], mean)
    torch.testing.assert_close(posterior.deviations["weight"], torch.stack(deviations))
    u = torch.stack(passed).var(0, correction=0)
    torch.testing.assert_close(posterior.variance["weight"], u)


def test_a_draw_of_mc_dropout_is_the_formula():
    model = nn.Linear(6, 2)
    posterior = MCDropout(model, rate=0.4).posterior()
    w, theta = posterior.sample(seed=3)["weight"], model.weight.detach()
    z = (w / theta).mean(0)
    torch.testing.assert_close(w, theta @ torch.diag(z))
    assert all(min(abs(each), abs(each - 1 / 0.6)) < 1e-6 for each in z.tolist())
