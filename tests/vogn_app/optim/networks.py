"""Small models, batches and blocks that the tests of the optimizers share."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers.closed_form import example_gradients

DETERMINISTIC = {"initial_curvature": 1e30, "prior_precision": 0.0}  # no noise to see


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def normed():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def batch(num=6):
    return torch.randn(num, 3), torch.randint(2, (num,))


def block(optimizer, x, y, reduction="mean"):
    """One training block; gives the loss."""
    with optimizer.sampled_params(train=True):
        loss = F.cross_entropy(optimizer.model(x), y, reduction=reduction)
        loss.backward()
    return loss.detach()


def gathered(optimizer):
    """Gradients and squares that wait for the step, by name."""
    names = dict(optimizer.model.named_parameters())
    return (
        {k: p.grad.clone() for k, p in names.items() if p.grad is not None},
        {
            k: optimizer._gathered.squares[p]
            for k, p in names.items()
            if p in optimizer._gathered.squares
        },
    )


def loop(model, x, y):
    """Mean gradient and mean squared gradient, an example after the other."""
    rows = example_gradients(
        model, lambda i: F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), len(x)
    )
    return (
        {k: row.mean(0) for k, row in rows.items()},
        {k: row.square().mean(0) for k, row in rows.items()},
    )


def assert_same(got, expected, rtol=1e-10):
    assert set(got) == set(expected)
    for name, truth in expected.items():
        torch.testing.assert_close(got[name], truth, rtol=rtol, atol=1e-14, msg=name)


def weights(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def assert_bitwise(got, expected):
    assert set(got) == set(expected)
    for name, value in expected.items():
        assert torch.equal(got[name], value), name
