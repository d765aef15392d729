"""Models, losses and dense references that the tests of natural gradients share."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from vogn_app import KroneckerPreconditioner

DAMPING = 0.02


def close(got, expected, rtol=1e-8, atol=1e-11):
    """The same names, and tensors that differ by rounding only."""
    if not isinstance(expected, dict):
        torch.testing.assert_close(got, expected, rtol=rtol, atol=atol)
        return
    assert set(got) == set(expected)
    for name, truth in expected.items():
        torch.testing.assert_close(
            got[name],
            truth,
            rtol=rtol,
            atol=atol,
            msg=lambda text, name=name: f"{name}: {text}",
        )


def images(num=6):
    return torch.randn(num, 2, 4, 4), torch.randint(3, (num,))


def convolutional():
    """Kronecker and unit-wise blocks."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(48, 4), nn.LayerNorm(4), nn.Linear(4, 3),
    )  # fmt: skip


def backward(model, x, y, factor=1.0):
    model.zero_grad()
    (F.cross_entropy(model(x), y) * factor).backward()


def gradients_of(model):
    return {
        k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None
    }


def parameters_of(model):
    return {k: p.detach().clone() for k, p in model.named_parameters()}


def natural_of(model, run, **options):
    """Natural gradients of `run()` with statistics of its own, and its gradients."""
    settings = {"damping": DAMPING, "factor_decay": 0.0, "factor_interval": 1}
    preconditioner = KroneckerPreconditioner(model, **settings | options)
    model.zero_grad()
    run()
    return preconditioner.natural_gradients(), gradients_of(model), preconditioner


def example_rows(model, x, y):
    """Gradients of each example's own loss, flat, by parameter."""
    loss_of = lambda i: F.cross_entropy(model(x[i : i + 1]), y[i : i + 1])  # noqa: E731
    return {
        k: v.flatten(1) for k, v in example_gradients(model, loss_of, len(x)).items()
    }


def dense_solve(rows, gradients, names, damping=DAMPING):
    """(F + damping)^-1 g of some parameters at once, with F from rows."""
    joined = torch.cat([rows[name] for name in names], 1)
    fisher = joined.T @ joined / len(joined)
    flat = torch.cat([gradients[name].flatten() for name in names])
    solved = torch.linalg.solve(fisher + damping * torch.eye(len(flat)), flat)
    pieces = solved.split([gradients[name].numel() for name in names])
    return {
        name: piece.view_as(gradients[name])
        for name, piece in zip(names, pieces, strict=True)
    }


def kronecker_solve(a, g, matrix, damping=DAMPING):
    """kron(A damped, G damped)^-1 of a gradient [out, in], solved whole."""
    pi = math.sqrt((a.trace() / len(a)) / (g.trace() / len(g)))
    root = math.sqrt(damping)
    left = a + pi * root * torch.eye(len(a))
    right = g + root / pi * torch.eye(len(g))
    flat = torch.linalg.solve(torch.kron(left, right), matrix.mT.flatten())
    return flat.view(matrix.mT.shape).mT


class Scale(nn.Module):
    """A layer that nobody knows."""

    def __init__(self, size):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * self.factor


class Prefixed(nn.Module):
    """Owns a parameter that belongs to no layer, like the token of a transformer."""

    def __init__(self):
        super().__init__()
        self.token, self.head = nn.Parameter(torch.zeros(4)), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(x + self.token)


def train(optimizer, model, batches, loss=F.cross_entropy):
    """One step a batch; gives the weights after each."""
    seen = []
    for x, y in batches:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        seen.append(parameters_of(model))
    return seen
