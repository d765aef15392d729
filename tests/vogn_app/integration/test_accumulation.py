"""Gradient accumulation: parts of a batch, in one block or several, are the batch."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import assert_close
from vogn_app import VOGN


def network():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.GroupNorm(1, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(12, 3),
    )  # fmt: skip


def loss(model, x, y, reduction="mean"):
    return nn.functional.cross_entropy(model(x), y, reduction=reduction)


def train(model, parts, blocks, reduction="mean", **options):
    """Two steps, their batches in parts; a block for all parts or one for each."""
    num = sum(len(y) for _, y in parts)
    optimizer = VOGN(model, num_data=60, loss_reduction=reduction, **options)
    for group in optimizer.param_groups:
        group["sampled"] = False  # each block would draw its own weights
    for _ in range(2):
        optimizer.zero_grad()
        if blocks == "one":
            with optimizer.sampled_params(train=True):
                for x, y in parts:
                    share = len(y) / num if reduction == "mean" else 1
                    (loss(model, x, y, reduction) * share).backward()
        else:
            for x, y in parts:
                with optimizer.sampled_params(train=True):
                    loss(model, x, y, reduction).backward()
        optimizer.step()
    return {
        f"{name}.{key}": optimizer.state[p][key]
        for name, p in model.named_parameters()
        for key in ("momentum_buffer", "curvature")
    } | {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("blocks", ["one", "each"])
@pytest.mark.parametrize("sizes", [[8], [4, 4], [5, 2, 1]])
@pytest.mark.parametrize("interval", [1, 2])
def test_parts_of_a_batch_are_the_batch(sizes, blocks, reduction, interval):
    x, y = torch.randn(8, 2, 4, 4), torch.randint(3, (8,))
    whole, divided = network(), network()
    divided.load_state_dict(whole.state_dict())
    expected = train(whole, [(x, y)], "one")
    if interval > 1:
        expected = train(whole_again(divided), [(x, y)], "one", curvature_interval=2)
    parts = list(zip(x.split(sizes), y.split(sizes), strict=True))
    got = train(divided, parts, blocks, reduction, curvature_interval=interval)
    assert_close(got, expected)


def whole_again(model):
    """A copy of a network."""
    copy = network()
    copy.load_state_dict(model.state_dict())
    return copy
