"""K-FAC with gradient accumulation: parts of a batch are the batch."""

import pytest
import torch
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close, convolutional, images, parameters_of
from vogn_app import KFAC


def train(model, batches, sizes, reduction="mean", **options):
    """Steps whose batches come in parts, with passes between that do not count."""
    kfac = KFAC(model, 0.1, damping=0.05, loss_reduction=reduction, **options)
    for x, y in batches:
        kfac.zero_grad()
        for xs, ys in zip(x.split(sizes), y.split(sizes), strict=True):
            with torch.no_grad():
                model(xs)
            share = len(ys) / len(y) if reduction == "mean" else 1
            (F.cross_entropy(model(xs), ys, reduction=reduction) * share).backward()
        kfac.step()
    return parameters_of(model)


OPTIONS = [
    {"factor_interval": 1},
    {"factor_interval": 2, "factor_decay": 0.0},
    {"factor_interval": 1, "curvature": "exact"},
    {"factor_interval": 1, "sharing": "reduce"},
    {"factor_interval": 2, "shape": "layer"},
    {"factor_interval": 1, "kl_clip": 1e-4},
    {"factor_interval": 2, "inversion": "ekfac"},
]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("sizes", [[4, 4], [5, 2, 1]])
@pytest.mark.parametrize("options", OPTIONS)
def test_parts_of_a_batch_are_the_batch(options, sizes, reduction):
    whole, divided = convolutional(), convolutional()
    divided.load_state_dict(whole.state_dict())
    batches = [images(8) for _ in range(3)]
    expected = train(whole, batches, [8], **options)
    close(train(divided, batches, sizes, reduction, **options), expected)


def test_a_micro_batch_that_is_given_up_leaves_no_trace():
    whole, other = convolutional(), convolutional()
    other.load_state_dict(whole.state_dict())
    batches = [images(8) for _ in range(3)]
    expected = train(whole, batches, [8], factor_interval=1)
    kfac = KFAC(other, 0.1, damping=0.05, factor_interval=1)
    for x, y in batches:
        F.cross_entropy(
            other(x.flip(0)) * 3, y
        ).backward()  # its loss was no number, say
        kfac.zero_grad()
        F.cross_entropy(other(x), y).backward()
        kfac.step()
    close(parameters_of(other), expected)
