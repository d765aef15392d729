"""The formulas of VOGN's siblings are those of our own code, number for number."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainers.variational_formulas import IVON, OGN, VADAM
from vogn_app import IVON as IVONOptimizer
from vogn_app import Vadam

ROOT = Path(__file__).resolve().parents[2]
N, lr, beta, rho, gamma, delta, tau, s0 = 50, 0.3, 0.8, 0.9, 0.2, 4.0, 0.5, 1.5


@pytest.mark.parametrize("formula", [IVON, VADAM, OGN])
def test_the_code_is_where_it_says(formula):
    assert (ROOT / formula.code).is_file()


def test_ogn_has_no_draws():
    assert not any("w" in line.replace("leftarrow", "") for line in OGN.lines)


def first_step(optimizer_class):
    """Weight before, drawn and after, and the gradient at the draw."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    x, y = torch.randn(6, 3).double(), torch.randint(2, (6,))
    optimizer = optimizer_class(
        model, num_data=N, lr=lr, momentum=beta, curvature_decay=rho, damping=gamma,
        prior_precision=delta, temperature=tau, initial_curvature=s0,
    )  # fmt: skip
    mu = model.weight.detach().clone()
    with optimizer.sampled_params(train=True):
        w = model.weight.detach().clone()
        F.cross_entropy(model(x), y).backward()
    optimizer.step()
    return mu, w, model.weight.grad, model.weight.detach(), optimizer


def test_a_step_of_ivon_is_the_formula():
    mu, w, g, after, optimizer = first_step(IVONOptimizer)
    c = s0 + gamma + tau * delta / N
    f = (w - mu) * g * N * c / tau
    e = (1 - rho) * (f - s0)
    s = s0 + e + e**2 / (2 * c)
    r, c = c, s + gamma + tau * delta / N
    torch.testing.assert_close(after, mu - lr * r * (g + tau * delta / N * mu) / c)
    precision = optimizer.posterior_precision()["weight"]
    torch.testing.assert_close(precision, N * c / tau)


def test_a_step_of_vadam_is_the_formula():
    mu, _, g, after, optimizer = first_step(Vadam)
    v = (1 - rho) * g**2
    step = (g + tau * delta / N * mu) / (g.abs() + tau * delta / N + 1e-8)
    torch.testing.assert_close(after, mu - lr * step)
    precision = optimizer.posterior_precision()["weight"]
    likelihood = N * (v + rho * s0 + gamma)
    torch.testing.assert_close(precision, (likelihood + tau * delta) / tau)
