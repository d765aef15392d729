"""Linear layers against a loop over examples."""

import pytest
import torch
from torch import nn

from tests.helpers.closed_form import contributions_alone
from tests.vogn_app.curvature.rules.exact import (
    assert_exact,
    assert_sums,
    contributions,
    output_gradient,
    randomised,
)
from vogn_app.curvature.rules import reductions, rule_for

SHAPES = {
    "plain": (5, 4),
    "tokens": (5, 6, 4),
    "two tokens": (5, 2, 4),
    "one token": (5, 1, 4),
    "no tokens": (5, 0, 4),
    "tokens in a grid": (5, 2, 3, 4),
    "one example": (1, 4),
    "one example, tokens": (1, 6, 4),
    "no examples": (0, 4),
    "no examples, tokens": (0, 6, 4),
}

pytestmark = pytest.mark.usefixtures("kernels_and_none")


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_linear_layers_are_exact(case, bias):
    if case.startswith("no examples"):
        assert_nothing(nn.Linear(4, 3, bias=bias), SHAPES[case])
    else:
        assert_exact(nn.Linear(4, 3, bias=bias), torch.randn(SHAPES[case]))


def assert_nothing(module, shape):
    x = torch.randn(shape)
    g = output_gradient(module, x)
    empty = {
        name: torch.zeros(0, *parameter.shape)
        for name, parameter in module.named_parameters()
    }
    assert {k: v.shape for k, v in contributions(module, x, g).items()} == {
        k: v.shape for k, v in empty.items()
    }
    assert_sums(module, x, g, empty)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 8), (17, 9), (33, 31)])
@pytest.mark.parametrize("tokens", [1, 2, 3, 9])
def test_sizes_that_fill_no_register_are_exact(size, tokens):
    assert_exact(nn.Linear(*size), torch.randn(5, tokens, size[0]))


@pytest.mark.parametrize("elements", [1, 25])
def test_small_pieces_give_the_same(elements, monkeypatch):
    monkeypatch.setattr(reductions, "CACHED_ELEMENTS", elements)
    assert_exact(nn.Linear(4, 3), torch.randn(5, 6, 4))


def test_expanded_and_transposed_gradients_give_the_same():
    module, x = nn.Linear(4, 3), torch.randn(5, 6, 4)
    assert_exact(module, x, torch.randn(5, 1, 3).expand(5, 6, 3))
    assert_exact(module, x, torch.randn(()).expand(5, 6, 3))
    assert_exact(module, x, torch.randn(3, 6, 5).permute(2, 1, 0))
    assert_exact(module, torch.randn(4, 6, 5).permute(2, 1, 0))


def test_tokens_are_summed_before_squaring():
    module = randomised(nn.Linear(4, 3))
    x = torch.randn(5, 1, 4).expand(5, 2, 4)
    g = torch.randn(5, 1, 3) * torch.tensor([1.0, -1.0])[:, None]
    _, squares = rule_for(module).sums(module, x, g)
    assert squares["weight"].abs().max() < 1e-20
    assert (contributions_alone(module, x, g)["weight"].abs() < 1e-12).all()
