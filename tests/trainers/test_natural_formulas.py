"""The formulas of our own methods are those of our own code, number for number."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainers.formulas import FORMULAS
from trainers.natural_formulas import KFAC, NOISY_KFAC, SP_NGD, VOGN
from vogn_app import KFAC as KFACOptimizer
from vogn_app import VOGN as VOGNOptimizer

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("formula", [VOGN, KFAC, NOISY_KFAC, SP_NGD])
def test_the_code_is_where_it_says(formula):
    assert (ROOT / formula.code).is_file()
    assert formula in FORMULAS.values()


def test_a_step_of_vogn_is_the_formula():
    # No draws, so that g is that of the mean: P then has no part in the step.
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    x, y = torch.randn(6, 3).double(), torch.randint(2, (6,))
    N, lr, beta, rho, gamma, delta, tau, s = 50, 0.3, 0.8, 0.9, 0.2, 4.0, 0.5, 1.5
    optimizer = VOGNOptimizer(
        model, num_data=N, lr=lr, momentum=beta, curvature_decay=rho, damping=gamma,
        prior_precision=delta, temperature=tau, initial_curvature=s, sampled=False,
    )  # fmt: skip
    mu = model.weight.detach().clone()
    each = []
    for row in range(6):
        loss = F.cross_entropy(model(x[row : row + 1]), y[row : row + 1])
        each.append(torch.autograd.grad(loss, model.weight)[0])
    g, h = torch.stack(each).mean(0), torch.stack(each).square().mean(0)
    with optimizer.sampled_params(train=True):
        F.cross_entropy(model(x), y).backward()
    optimizer.step()
    m = (1 - beta) * (g + tau * delta / N * mu)
    s = rho * s + (1 - rho) * h
    mu = mu - lr * m / (1 - beta) / (s + gamma + tau * delta / N)
    torch.testing.assert_close(model.weight.detach(), mu)


def test_a_step_of_kfac_is_the_formula():
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    x, y = torch.randn(8, 3).double(), torch.randint(2, (8,))
    damping, lr = 0.05, 0.3
    optimizer = KFACOptimizer(model, lr=lr, momentum=0.0, damping=damping, kl_clip=None)
    before = torch.cat([model.weight, model.bias[:, None]], 1).detach().clone()
    outputs = model(x)
    losses = F.cross_entropy(outputs, y, reduction="none")
    (dg,) = torch.autograd.grad(losses.sum(), outputs, retain_graph=True)
    optimizer.zero_grad()
    losses.mean().backward()
    g = torch.cat([model.weight.grad, model.bias.grad[:, None]], 1)
    optimizer.step()
    a = torch.cat([x, torch.ones(8, 1).double()], 1)
    A, G = a.T @ a / 8, dg.T @ dg / 8
    pi = ((A.trace() / 4) / (G.trace() / 2)).sqrt()
    root = damping**0.5
    P = torch.linalg.inv(G + root / pi * torch.eye(2)) @ g
    P = P @ torch.linalg.inv(A + pi * root * torch.eye(4))
    after = torch.cat([model.weight, model.bias[:, None]], 1).detach()
    torch.testing.assert_close(after, before - lr * P)
