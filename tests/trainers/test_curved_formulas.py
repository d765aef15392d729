"""The formulas of the Laplace approximation are those of our own code."""

from pathlib import Path

import torch
from torch import nn

from tests.vogn_app.optim.noisy import dense_precision
from trainers.curved_formulas import LAPLACE
from trainers.formulas import FORMULAS
from vogn_app import Laplace

ROOT = Path(__file__).resolve().parents[2]


def test_the_code_is_where_it_says():
    assert (ROOT / LAPLACE.code).is_file()
    assert FORMULAS["laplace"] is LAPLACE


def test_the_posterior_is_the_formula():
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    x, y = torch.randn(6, 3).double(), torch.randint(2, (6,))
    N, tau = 50, 0.5
    optimizer = Laplace(model, num_data=N, temperature=tau)
    optimizer.finish(lambda: [(x, y)])
    (delta,) = optimizer.prior_precisions.values()
    a = torch.cat([x, torch.ones(6, 1).double()], 1)
    p = model(x).softmax(1).detach()
    G = (torch.diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1)).mean(0)
    A = a.T @ a / 6
    eye = torch.eye(8).double()
    torch.set_default_dtype(torch.float64)
    try:
        found = dense_precision(optimizer.posterior())
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found, N / tau * torch.kron(G, A) + delta * eye)

    def evidence(value):
        """What of the objective depends on delta."""
        squares = sum(w.detach().square().sum() for w in model.parameters())
        precision = N / tau * torch.kron(G, A) + value * eye
        half = (8 * torch.tensor(value).log() - torch.logdet(precision)) / 2
        return half - value / 2 * squares

    assert evidence(delta) > max(evidence(delta * 0.95), evidence(delta * 1.05))
