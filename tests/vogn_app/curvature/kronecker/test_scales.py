"""EKFAC: scales are second moments of contributions in the eigenbasis."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients
from vogn_app import KroneckerPreconditioner

DAMPING = 0.03
MODELS = {
    "linear": lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
    "tokens": lambda: nn.Sequential(nn.Unflatten(1, (3, 1)), nn.Linear(1, 2), nn.Tanh(),
                                    nn.Flatten(), nn.Linear(6, 3, bias=False)),
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 4, 2), nn.Tanh(),
        nn.Conv1d(4, 2, 1, groups=2), nn.Flatten(), nn.Linear(4, 3)),
}  # fmt: skip


def step(model, x, y, **options):
    preconditioner = KroneckerPreconditioner(
        model, damping=DAMPING, factor_decay=0.0, inversion="ekfac", **options
    )
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return preconditioner, gradients, preconditioner.natural_gradients()


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_best_diagonal_in_the_eigenbasis(name):
    """P = U (s + damping)^-1 U^T g with s the mean of (U^T g_i)^2, U by brute force."""
    torch.manual_seed(3)
    model, x, y = MODELS[name](), torch.randn(6, 3), torch.randint(3, (6,))
    preconditioner, gradients, natural = step(model, x, y)
    one = lambda i: F.cross_entropy(model(x[i : i + 1]), y[i : i + 1])  # noqa: E731
    rows = example_gradients(model, one, len(x))
    for block in preconditioner.blocks.values():
        inputs, outputs = (
            preconditioner._state.inverses[block.name, side].vectors
            for side in block.sides
        )
        local = {k: part.name for k, part in block.parts.items()}
        each = block.to_matrix({k: rows[name] for k, name in local.items()})
        turned = outputs.mT @ each @ inputs
        scales = turned.square().mean(0)
        matrix = block.to_matrix({k: gradients[name] for k, name in local.items()})
        inside = outputs.mT @ matrix @ inputs / (scales + DAMPING)
        expected = block.from_matrix(outputs @ inside @ inputs.mT)
        for k, name in local.items():
            torch.testing.assert_close(natural[name], expected[k])


@pytest.mark.parametrize("name", MODELS)
def test_it_is_neither_the_gradient_nor_k_fac(name):
    torch.manual_seed(3)
    model, x, y = MODELS[name](), torch.randn(6, 3), torch.randint(3, (6,))
    _, gradients, natural = step(model, x, y)
    kfac = KroneckerPreconditioner(
        model, damping=DAMPING, factor_decay=0.0, inversion="eigen"
    )
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    for key, other in kfac.natural_gradients().items():
        ours, raw = natural[key].flatten(), gradients[key].flatten()
        assert (ours - other.flatten()).norm() > 1e-3 * ours.norm()
        if len(raw) > 1:
            assert F.cosine_similarity(ours, raw, dim=0) < 1 - 1e-6


def test_one_example_makes_it_the_exact_layer():
    """Of one datum the Fisher matrix of a layer is a Kronecker product."""
    model, x, y = nn.Linear(3, 4), torch.randn(1, 3), torch.randint(4, (1,))
    _, gradients, natural = step(model, x, y)
    g = torch.cat([gradients["weight"].flatten(), gradients["bias"]])
    exact = torch.linalg.solve(torch.outer(g, g) + DAMPING * torch.eye(len(g)), g)
    got = torch.cat([natural["weight"].flatten(), natural["bias"]])
    torch.testing.assert_close(got, exact)


def test_scales_do_not_depend_on_how_often_an_example_comes():
    model, x, y = MODELS["linear"](), torch.randn(4, 3), torch.randint(3, (4,))
    once = step(model, x, y)[2]
    twice = step(model, x.repeat(2, 1), y.repeat(2))[2]
    for name, truth in once.items():
        torch.testing.assert_close(twice[name], truth)
