"""Figures of each layer, against closed forms."""

import pytest
import torch
from torch import nn

from vogn_app.posterior import kl_divergence
from vogn_app.posterior.layers import (
    by_layer,
    effective_parameters,
    signal_to_noise,
    spread_rows,
    summarise,
    total_kl,
)

MEAN = {"1.weight": torch.tensor([[3.0, -1.0]]), "1.bias": torch.tensor([0.5])}
PRECISION = {"1.weight": torch.tensor([[4.0, 16.0]]), "1.bias": torch.tensor([100.0])}
PRIOR = {"1.weight": 2.0, "1.bias": 1.0}


def test_signal_to_noise():
    got = signal_to_noise(MEAN["1.weight"], PRECISION["1.weight"])
    assert got.tolist() == [[6.0, 4.0]]


def test_signal_to_noise_of_half_precision_is_single():
    got = signal_to_noise(torch.ones(2).half(), torch.full((2,), 6e4).half())
    assert got.dtype == torch.float32


def test_effective_parameters_run_from_none_to_all():
    assert effective_parameters(torch.full((4,), 3.0), 3.0) == 0
    assert effective_parameters(torch.full((4,), 3.0), 0.0) == 4
    assert effective_parameters(torch.tensor([4.0, 8.0]), 2.0) == 0.5 + 0.75
    assert effective_parameters(torch.tensor([1.0]), 2.0) == -1


def test_effective_parameters_of_ridge_regression():
    x, delta = torch.randn(30, 1), 5.0
    curvature = (x**2).sum()
    hat = x @ x.T / (curvature + delta)  # fitted values are hat @ y
    got = effective_parameters((curvature + delta).reshape(1), delta)
    assert got == pytest.approx(hat.trace().item())


def test_a_row_is_the_module_that_owns_weight_and_bias():
    row = summarise("1", MEAN, PRECISION, PRIOR)
    assert (row.name, row.num_parameters) == ("1", 3)
    assert row.signal_to_noise == 5.0  # of 6, 4 and 5
    assert row.effective_parameters == pytest.approx(0.5 + 0.875 + 0.99)
    assert row.deviation == pytest.approx((0.5 + 0.25 + 0.1) / 3)
    expected = sum(kl_divergence(MEAN[n], PRECISION[n], 0.0, PRIOR[n]) for n in MEAN)
    assert row.kl == total_kl(MEAN, PRECISION, PRIOR) == pytest.approx(expected.item())


def test_a_row_with_an_improper_prior_has_no_kl():
    assert summarise("1", MEAN, PRECISION, {**PRIOR, "1.bias": 0.0}).kl is None


def test_rows_of_spreads_are_the_closed_form():
    variances = {n: 1 / precision for n, precision in PRECISION.items()}
    (row,) = spread_rows({**MEAN, "2.silent": torch.ones(1)}, variances)
    expected = summarise("1", MEAN, PRECISION, PRIOR)
    assert (row.name, row.num_parameters) == ("1", 3)
    assert row.signal_to_noise == pytest.approx(expected.signal_to_noise)
    assert row.deviation == pytest.approx(expected.deviation)
    assert row.kl is row.effective_parameters is row.between is None


def test_a_layer_without_noise_is_infinitely_sure():
    mean = {"a.w": torch.tensor([0.0, 1.0, 2.0]), "b.w": torch.ones(3)}
    variances = {"a.w": torch.zeros(3), "b.w": torch.tensor([0.0, 4.0, 4.0])}
    still, some = spread_rows(mean, variances)
    assert (still.deviation, still.signal_to_noise) == (0.0, None)
    assert some.signal_to_noise == 0.5  # the lower half has noise


def test_a_parameter_without_elements_has_no_row():
    assert spread_rows({"a.w": torch.ones(0)}, {"a.w": torch.ones(0)}) == []


def test_names_are_grouped_in_order():
    model = nn.ModuleDict({"z": nn.Linear(1, 1), "a": nn.Linear(1, 1)})
    names = ["scale", *(name for name, _ in model.named_parameters())]
    assert by_layer(names) == {
        "": ["scale"],
        "z": ["z.weight", "z.bias"],
        "a": ["a.weight", "a.bias"],
    }
