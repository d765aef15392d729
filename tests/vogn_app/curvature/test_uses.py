"""Layers whose own weight gradient comes from their per-example gradients."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.exactness import capture_of
from vogn_app.curvature.uses import accumulates

LAYERS = {
    "linear": (lambda: nn.Linear(4, 3), (5, 4)),
    "tokens": (lambda: nn.Linear(4, 3, bias=False), (5, 2, 4)),
    "conv": (lambda: nn.Conv2d(2, 4, 3, padding="same"), (5, 2, 4, 4)),
    "circular": (
        lambda: nn.Conv2d(2, 4, 3, 2, padding=1, padding_mode="circular"),
        (5, 2, 4, 4),
    ),
}
EACH = pytest.mark.parametrize("name", LAYERS)


def gradients(model, x, capture=None):
    model.zero_grad()
    x = x.clone().requires_grad_()
    if capture is None:
        model(x).sin().sum().backward()
    else:
        with capture.recording():
            model(x).sin().sum().backward()
    return {k: p.grad for k, p in model.named_parameters()} | {"input": x.grad}


@EACH
def test_gradients_are_those_of_autograd(name):
    build, shape = LAYERS[name]
    model, x = nn.Sequential(build(), nn.Tanh()), torch.randn(shape)
    expected, got = gradients(model, x), gradients(model, x, capture_of(model))
    for key, gradient in expected.items():
        assert torch.allclose(got[key], gradient, rtol=1e-12, atol=1e-12), key


@EACH
def test_parameters_that_are_not_wanted_keep_their_gradients(name):
    build, shape = LAYERS[name]
    model, x = nn.Sequential(build(), nn.Tanh()), torch.randn(shape)
    capture = capture_of(model)
    for key in list(capture.parameters)[1:]:
        del capture.parameters[key]
    capture = type(capture)(model, capture.parameters)
    expected, got = gradients(model, x), gradients(model, x, capture)
    for key, gradient in expected.items():
        assert torch.allclose(got[key], gradient, rtol=1e-12, atol=1e-12), key


def test_a_frozen_weight_gets_no_gradient():
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    model.weight.requires_grad_(False)
    with capture_of(model).recording() as recording:
        model(x).sin().sum().backward()
    assert model.weight.grad is None
    assert set(recording.squares.sums) == {"bias"}


def test_a_layer_under_torch_func_runs_as_it_is():
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    with capture_of(model).recording():
        jacobian = torch.func.vmap(torch.func.jacrev(model))(x)
    assert torch.equal(jacobian, model.weight.expand(5, 3, 4))


def test_a_second_derivative_is_a_clear_error():
    model, x = nn.Linear(4, 3), torch.randn(5, 4, requires_grad=True)
    with capture_of(model).recording():
        loss = model(x).sin().sum()
        with pytest.raises(RuntimeError, match=r"^create_graph must be False inside"):
            torch.autograd.grad(loss, x, create_graph=True)


def test_weights_changed_before_the_backward_pass_are_noticed():
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    with capture_of(model).recording():
        loss = model(x).sin().sum()
        with torch.no_grad():
            model.weight.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_a_pass_accumulates_gradients_that_it_reaches_and_does_not_give_away():
    used, unused = (nn.Parameter(torch.ones(2)) for _ in range(2))
    seen = []

    def loss():
        output = used * 2
        each = [used], [unused], [unused, used], [used.detach()]
        output.register_hook(lambda _: seen.append([accumulates(p) for p in each]))
        return output.sum()

    loss().backward()
    torch.autograd.grad(loss(), used)
    assert seen == [[True, False, True, False], [False] * 4]
