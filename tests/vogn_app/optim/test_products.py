"""Vectors times the inverse of the damped curvature."""

import torch
from torch import nn
from torch.nn import functional as F

from vogn_app import KroneckerPreconditioner


def measured(model, x, y):
    preconditioner = KroneckerPreconditioner(model, damping=0.05)
    F.cross_entropy(model(x).flatten(1), y).backward()
    preconditioner.natural_gradients()
    return preconditioner


def vector_of(model):
    return {name: torch.randn_like(p) for name, p in model.named_parameters()}


def network():
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)
    )


def test_the_product_is_linear_symmetric_and_positive():
    model = network()
    preconditioner = measured(model, torch.randn(6, 1, 4, 4), torch.randint(3, (6,)))
    v, w = vector_of(model), vector_of(model)
    pv, pw = preconditioner.precondition(v), preconditioner.precondition(w)
    mixed = preconditioner.precondition({k: 2 * v[k] - w[k] for k in v})
    for name, product in mixed.items():
        torch.testing.assert_close(product, 2 * pv[name] - pw[name])
    dot = lambda a, b: sum((a[k] * b[k]).sum() for k in a)  # noqa: E731
    torch.testing.assert_close(dot(v, pw), dot(pv, w))
    assert dot(v, pv) > 0


def test_missing_tensors_count_as_zero_and_stay_missing():
    model = network()
    preconditioner = measured(model, torch.randn(6, 1, 4, 4), torch.randint(3, (6,)))
    vector = vector_of(model)
    part = {"3.weight": vector["3.weight"]}
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    whole = preconditioner.precondition({**zeros, **part})
    alone = preconditioner.precondition(part)
    assert set(alone) == {"3.weight"}
    torch.testing.assert_close(alone["3.weight"], whole["3.weight"])


def test_the_vector_is_left_alone():
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    preconditioner = KroneckerPreconditioner(model, damping=0.05)
    x = torch.randn(5, 3, 4)
    model(x, x, x)[0].square().mean().backward()
    preconditioner.natural_gradients()
    vector = vector_of(model)
    before = {name: value.clone() for name, value in vector.items()}
    product = preconditioner.precondition(vector)
    for name, value in vector.items():
        assert torch.equal(value, before[name])
        assert not torch.equal(product[name], value)
