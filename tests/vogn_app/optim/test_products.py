"""Vectors times the inverse of the damped curvature."""

import pytest
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


WRONG = {
    "no mapping": ([torch.zeros(3)], TypeError, "vector must be a mapping of names"),
    "unknown": ({"3.weigth": 0}, ValueError, "vector must have names of parameters"),
    "number": ({"3.weight": 3.0}, TypeError, "3.weight must be a tensor, got 3.0"),
    "flat": (
        {"3.weight": torch.zeros(24)},
        ValueError,
        r"3.weight must have shape \(3, 8\), got \(24,\)\.",
    ),
    "transposed": ({"3.weight": torch.zeros(8, 3)}, ValueError, "3.weight must have"),
    "one for all": ({"3.bias": torch.zeros(1)}, ValueError, "3.bias must have shape"),
    "norm": ({"1.weight": torch.zeros(3)}, ValueError, "1.weight must have shape"),
    "whole": (
        {"3.bias": torch.zeros(3, dtype=torch.long)},
        ValueError,
        "3.bias must be of a floating-point type, got torch.int64",
    ),
    "complex": ({"3.bias": torch.zeros(3, dtype=torch.cfloat)}, ValueError, "3.bias"),
}


@pytest.mark.parametrize("measured_before", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_vector_is_named(name, measured_before):
    model, (vector, error, message) = network(), WRONG[name]
    preconditioner = KroneckerPreconditioner(model)
    if measured_before:
        x, y = torch.randn(6, 1, 4, 4), torch.randint(3, (6,))
        preconditioner = measured(model, x, y)
    with pytest.raises(error, match=f"^{message}"):
        preconditioner.precondition(vector)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_vector_of_another_precision_keeps_it(dtype):
    model = network()
    preconditioner = measured(model, torch.randn(6, 1, 4, 4), torch.randint(3, (6,)))
    vector = {k: v.to(dtype) for k, v in vector_of(model).items()}
    product = preconditioner.precondition(vector)
    wide = {k: v.double() for k, v in vector.items()}
    expected = preconditioner.precondition(wide)
    for name, value in product.items():
        torch.testing.assert_close(value, expected[name].to(dtype))
    single = preconditioner.precondition({"3.weight": vector["3.weight"]})
    assert single["3.weight"].dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_a_vector_of_another_precision_than_a_single_model_keeps_it(dtype):
    model = network().float()
    x, y = torch.randn(6, 1, 4, 4).float(), torch.randint(3, (6,))
    preconditioner = measured(model, x, y)
    vector = {k: v.to(dtype) for k, v in vector_of(model).items()}
    product = preconditioner.precondition(vector)
    expected = preconditioner.precondition({k: v.float() for k, v in vector.items()})
    for name, value in product.items():
        assert torch.equal(value, expected[name].to(dtype))


def test_what_was_never_measured_loses_no_digits():
    preconditioner = KroneckerPreconditioner(network().float())
    vector = {"3.bias": torch.rand(3, dtype=torch.float64)}
    assert preconditioner.precondition(vector)["3.bias"] is vector["3.bias"]
