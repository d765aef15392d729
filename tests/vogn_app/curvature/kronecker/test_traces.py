"""Passes and batches that leave the statistics of a model as they are."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.curvature.kronecker.reference import (
    all_close,
    armed,
    captured,
    close,
    factors,
)

SHARINGS = pytest.mark.parametrize("sharing", ["expand", "reduce"])


def network():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(48, 4), nn.LayerNorm(4), nn.Linear(4, 3),
    )  # fmt: skip


def data(num=6):
    return torch.randn(num, 2, 4, 4), torch.randint(3, (num,))


@SHARINGS
def test_duplicates_and_permutations_of_the_batch_change_nothing(sharing):
    model, (x, y) = network(), data()

    def statistics(at):
        run = lambda: F.cross_entropy(model(x[at]), y[at]).backward()  # noqa: E731
        return captured(model, run, sharing=sharing)

    expected = statistics(torch.arange(6))
    all_close(statistics(torch.arange(6).repeat(3)), expected)
    all_close(statistics(torch.randperm(6)), expected)


@pytest.mark.parametrize("sizes", [[3, 3], [2, 2, 2], [4, 1, 1]])
def test_parts_of_a_batch_are_the_batch(sizes):
    model, (x, y) = network(), data()

    def parts():
        for xs, ys in zip(x.split(sizes), y.split(sizes), strict=True):
            (F.cross_entropy(model(xs), ys) * len(ys) / 6).backward()

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, parts), expected)


def validate(model, x, y):
    model.eval()
    with torch.no_grad():
        model(x)
    model(x)  # with a graph that nobody uses
    model.train()


def attack(model, x, y):
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
    assert gradient.any()


def attack_by_backward(model, x, y):
    x = x.clone().requires_grad_()
    F.cross_entropy(model(x), y).backward(inputs=[x])
    assert x.grad.any()


def look_at_gradients(model, x, y):
    torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))


def functional(model, x, y):
    fresh = {
        k: p.detach().clone().requires_grad_() for k, p in model.named_parameters()
    }
    F.cross_entropy(torch.func.functional_call(model, fresh, x), y).backward()


def transformed(model, x, y):
    fresh = {k: p.detach() for k, p in model.named_parameters()}
    call = lambda w: F.cross_entropy(torch.func.functional_call(model, w, x), y)  # noqa: E731
    torch.func.grad(call)(fresh)


@pytest.mark.parametrize(
    "other",
    [validate, attack, attack_by_backward, look_at_gradients, functional, transformed],
)
@pytest.mark.parametrize("first", [True, False])
def test_other_passes_leave_no_trace(other, first):
    model, (x, y), more = network(), data(), data(4)

    def both():
        for step in (other, None) if first else (None, other):
            if step is None:
                F.cross_entropy(model(x), y).backward()
            else:
                step(model, *more)

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, both), expected)


class Failing(torch.autograd.Function):
    fails = True

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        if Failing.fails:
            raise ArithmeticError("out of memory, say")
        return gradient


def test_a_backward_pass_that_failed_leaves_no_trace():
    model, (x, y), (other, labels) = network(), data(), data(4)
    model.insert(4, Lambda(Failing.apply))

    def run():
        Failing.fails = True
        with pytest.raises(ArithmeticError):
            F.cross_entropy(model(other), labels).backward()
        model.zero_grad()
        Failing.fails = False
        F.cross_entropy(model(x), y).backward()

    Failing.fails = False
    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, run), expected)


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_gradients_that_are_given_up_take_their_statistics_along():
    model, (x, y), (other, labels) = network(), data(), data(4)

    def run():
        F.cross_entropy(model(other), labels).backward()  # as SAM does to perturb
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, run), expected)


def test_gradients_cleared_between_forward_and_backward_lose_nothing():
    model, (x, y) = network(), data()

    def run():
        output = model(x)
        model.zero_grad()
        F.cross_entropy(output, y).backward()

    expected = captured(model, lambda: F.cross_entropy(model(x), y).backward())
    all_close(captured(model, run), expected)


def test_a_penalty_on_gradients_is_captured_by_the_pass_that_accumulates():
    first = nn.Linear(3, 4)
    model, (_, y) = nn.Sequential(first, nn.Tanh(), nn.Linear(4, 3)), data()
    x = torch.randn(6, 3).requires_grad_()
    outputs = []
    first.register_forward_hook(lambda m, a, o: outputs.append(o))

    def penalised():
        value = F.cross_entropy(model(x), y)
        (slope,) = torch.autograd.grad(value, x, create_graph=True)
        return value + slope.square().sum()

    (gradient,) = torch.autograd.grad(penalised(), outputs[-1])
    got = captured(model, lambda: penalised().backward())
    expected = factors(first, [(x.detach(), gradient)], 6)
    close((got["0", "inputs"], got["0", "outputs"]), expected)


def test_two_backward_passes_through_a_graph_count_its_examples_once():
    model, (x, y) = nn.Sequential(nn.Flatten(), nn.Linear(32, 3)), data()

    def run():
        output = model(x)
        F.cross_entropy(output, y).backward(retain_graph=True)
        output.square().sum(1).mean().backward()

    capture = armed(model)
    run()
    assert capture.gather().num_examples == 6
    capture.close()
