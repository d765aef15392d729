"""Training runs and dense posteriors that the tests of Noisy K-FAC share."""

import math

import torch

from tests.vogn_app.optim.networks import block

SILENT = {"temperature": 1e-30, "prior_precision": 0.0}  # no noise to see


def train(optimizer, num_steps=4, num_blocks=1, first=0):
    """Steps on batches that their number gives."""
    for step in range(first, first + num_steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(6, 3, generator=generator)
        y = torch.randint(2, (6,), generator=generator)
        optimizer.zero_grad()
        for _ in range(num_blocks):
            block(optimizer, x, y)
        optimizer.step()


def flat(values):
    """Weight and bias of a linear layer as a matrix, row by row."""
    return torch.cat((values["weight"], values["bias"].unsqueeze(-1)), -1).flatten(-2)


def dense_precision(posterior):
    """C^-1 of a linear layer, from the draws' linear map."""
    (covariance,) = posterior._covariances.values()
    (each,) = posterior.blocks
    n = math.prod(each.layout.shape)
    noise = torch.eye(n).view(n, *each.layout.shape)
    root = covariance.draw(noise).reshape(n, n)
    return (each.scale * root.T @ root).inverse()
