"""Taps change nothing, copy nothing, and see what passes through."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from vogn_app.curvature.kronecker.taps import tapped


class Ear:
    """Remembers what it received."""

    def __init__(self):
        self.heard = []

    def __call__(self, x, g):
        assert not torch.is_grad_enabled()
        assert not (x.requires_grad)
        assert not (g.requires_grad)
        self.heard.append((x.clone(), g.clone()))


def test_a_tap_is_an_identity_that_copies_nothing():
    x, ear = torch.randn(4, 3), Ear()
    output = nn.Linear(3, 2)(x)
    memory, before = output.data_ptr(), output.detach().clone()
    result = tapped(output, x, ear)
    assert result.data_ptr() == memory
    assert torch.equal(result, before)
    assert ear.heard == []


def test_it_receives_the_input_and_the_gradient_once_a_pass():
    layer, x, ear = nn.Linear(3, 2), torch.randn(4, 3), Ear()
    result = tapped(layer(x), x, ear)
    weights = torch.randn(4, 2)
    (result * weights).sum().backward(retain_graph=True)
    ((seen, gradient),) = ear.heard
    assert torch.equal(seen, x)
    assert torch.equal(gradient, weights)
    assert torch.equal(layer.weight.grad, weights.T @ x)
    (result * weights).sum().backward()
    assert len(ear.heard) == 2


LAYERS = {
    "linear": lambda: nn.Linear(3, 3),
    "linear, no bias": lambda: nn.Linear(3, 3, bias=False),
    "conv": lambda: nn.Conv1d(4, 4, 1),
    "instance norm": lambda: nn.InstanceNorm1d(4, affine=True),
    "batch norm": lambda: nn.BatchNorm1d(4),
    "layer norm": lambda: nn.LayerNorm(3),
    "rms norm": lambda: nn.RMSNorm(3),
    "group norm": lambda: nn.GroupNorm(2, 4),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("change", [torch.relu_, lambda y: y.add_(1), torch.sin])
def test_what_follows_may_change_the_output_in_place(name, change):
    layer = LAYERS[name]()
    x = torch.randn(5, 4, 3, requires_grad=True)
    change(layer(x)).square().sum().backward()
    expected = [x.grad, *(p.grad for p in layer.parameters())]
    x.grad = None
    layer.zero_grad()
    ear = Ear()
    change(tapped(layer(x), x, ear)).square().sum().backward()
    got = [x.grad, *(p.grad for p in layer.parameters())]
    for mine, truth in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, truth)
    assert len(ear.heard) == 1


def test_second_derivatives_pass_through():
    layer, x = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)

    def penalty(tap):
        y = tap(layer(x))
        (slope,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), layer.weight)[0]

    expected = penalty(lambda y: y)
    torch.testing.assert_close(penalty(lambda y: tapped(y, x, Ear())), expected)


def test_an_input_that_changed_is_an_error_and_not_a_wrong_answer():
    layer, x = nn.Linear(3, 2), torch.randn(4, 3)
    layer.weight.requires_grad_(False)
    y = tapped(layer(x), x, Ear())
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_compute_the_input_again(reentrant):
    layer, x, ear = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True), Ear()

    def run(x):
        h = x.sin()
        return tapped(layer(h), h, ear).cos()

    checkpoint(run, x, use_reentrant=reentrant).sum().backward()
    ((seen, gradient),) = ear.heard
    torch.testing.assert_close(seen, x.detach().sin())
    torch.testing.assert_close(gradient, -layer(x.sin()).sin().detach())
