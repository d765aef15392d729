"""When the preconditioner refreshes and inverts, how it averages, damps and clips."""

import math

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.natural import (
    DAMPING,
    backward,
    close,
    natural_of,
)
from vogn_app import KroneckerPreconditioner


def linear():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def rows(num=6):
    return torch.randn(num, 3), torch.randint(3, (num,))


def made(model, **options):
    settings = {"damping": DAMPING, "factor_decay": 0.0, "factor_interval": 1}
    return KroneckerPreconditioner(model, **settings | options)


def refreshes(preconditioner, model, steps):
    """Steps that changed a factor, and those that changed an inverse."""
    factors, inverses = [], []
    vector = {k: torch.ones_like(p) for k, p in model.named_parameters()}
    old = None
    for step in range(steps):
        backward(model, *rows())
        preconditioner.natural_gradients()
        new = preconditioner.factors()["0", "inputs"].matrix().clone()
        product = preconditioner.precondition(vector)["0.weight"]
        if old is None or not torch.equal(new, old[0]):
            factors.append(step)
        if old is None or not torch.equal(product, old[1]):
            inverses.append(step)
        old = new, product
    return factors, inverses


@pytest.mark.parametrize(
    ("factor", "inverse", "factors", "inverses"),
    [
        (1, None, [0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7]),
        (3, None, [0, 3, 6], [0, 3, 6]),
        (2, 4, [0, 2, 4, 6], [0, 4]),
        (2, 3, [0, 2, 4, 6], [0, 3, 6]),
        (3, 1, [0, 3, 6], [0, 3, 6]),
        (lambda step: step + 1, None, [0, 1, 3, 7], [0, 1, 3, 7]),
        (1, lambda step: 2 if step < 4 else 1, list(range(8)), [0, 2, 4, 5, 6, 7]),
    ],
)
def test_factors_and_inverses_have_intervals_of_their_own(
    factor, inverse, factors, inverses
):
    model = linear()
    preconditioner = made(model, factor_interval=factor, inverse_interval=inverse)
    assert refreshes(preconditioner, model, 8) == (factors, inverses)


def test_statistics_are_bias_corrected_averages():
    model, decay, batches = linear(), 0.7, [rows(num) for num in (4, 6, 5)]
    averaging = made(model, factor_decay=decay)
    each = []
    for x, y in batches:
        *_, alone = natural_of(model, lambda x=x, y=y: backward(model, x, y))
        each.append({k: m.matrix() for k, m in alone.factors().items()})
        backward(model, x, y)
        averaging.natural_gradients()
    weights = [decay**2, decay, 1.0]
    for key, moment in averaging.factors().items():
        terms = zip(weights, each, strict=True)
        expected = sum(w * one[key] for w, one in terms) / sum(weights)
        close(moment.matrix(), expected)


def test_the_damping_may_change_with_the_steps():
    model, (x, y) = linear(), rows()
    scheduled = made(model, damping=lambda step: 0.5**step)
    for step in range(3):
        run = lambda: backward(model, x, y)  # noqa: E731
        expected, *_ = natural_of(model, run, damping=0.5**step)
        run()
        close(scheduled.natural_gradients(), expected)
    assert scheduled.figures()["damping"] == 0.5**3


# --- clipping ----------------------------------------------------------------------


@pytest.mark.parametrize("bound", [1e-6, 1e-3, 1e6])
def test_the_step_is_clipped_to_a_trust_region(bound):
    model, (x, y), lr = linear(), rows(), 0.3
    run = lambda: backward(model, x, y)  # noqa: E731
    natural, gradients, _ = natural_of(model, run)
    change = lr**2 * sum((natural[k] * g).sum() for k, g in gradients.items())
    factor = min(1.0, math.sqrt(bound / change))
    got, *_ = natural_of(model, run, kl_clip=bound, lr=lr)
    close(got, {k: factor * p for k, p in natural.items()})
    assert (factor < 1) == (bound < 1)
    got, *_ = natural_of(model, run, kl_clip=bound, lr=lambda: lr)
    close(got, {k: factor * p for k, p in natural.items()})


def test_a_gradient_of_zero_is_not_clipped():
    model, (x, _) = linear(), rows()
    run = lambda: (model(x) * 0).sum().backward()  # noqa: E731
    natural, *_ = natural_of(model, run, kl_clip=1e-3)
    assert all(torch.equal(p, torch.zeros_like(p)) for p in natural.values())


# --- layers that some steps leave out ----------------------------------------------


class Heads(nn.Module):
    """One body and several heads, of which a call uses one."""

    def __init__(self, num):
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.heads = nn.ModuleList(nn.Linear(4, 3) for _ in range(num))

    def forward(self, x, number):
        return self.heads[number](torch.tanh(self.body(x)))


def turn(preconditioner, model, number):
    """A step with one head; the blocks whose statistics it was to refresh."""
    due = {name for name, _ in preconditioner._due}
    x, y = rows()
    model.zero_grad()
    nn.functional.cross_entropy(model(x, number), y).backward()
    preconditioner.step()
    return due


@pytest.mark.parametrize("inversion", ["cholesky", "ekfac"])
@pytest.mark.parametrize(("interval", "num"), [(10, 2), (2, 2), (7, 3), (10, 5)])
def test_layers_that_are_used_in_turn_all_get_curvature(interval, num, inversion):
    model = Heads(num)
    preconditioner = made(model, factor_interval=interval, inversion=inversion)
    for step in range(num):
        turn(preconditioner, model, step)
    names = {name for name, _ in preconditioner.factors()}
    assert names == {"body", *(f"heads.{k}" for k in range(num))}
    assert all(
        preconditioner._state.operators_of(b) for b in preconditioner.blocks.values()
    )
    due = {}
    for step in range(num, 8 * interval):
        for name in turn(preconditioner, model, step % num):
            due.setdefault(name, []).append(step)
    assert due["body"] == list(range(interval, 8 * interval, interval))
    assert all(due[f"heads.{k}"][0] == interval + k for k in range(num))


def test_other_statistics_keep_their_interval_while_one_is_waited_for():
    model = Heads(2)
    preconditioner = made(model, factor_interval=4)
    due = [turn(preconditioner, model, 0) for _ in range(6)]
    every, missing = {"body", "heads.0", "heads.1"}, {"heads.1"}
    assert due == [every, *[missing] * 3, every, missing]
    assert ("heads.1", "inputs") not in preconditioner.factors()
    assert preconditioner.num_inverted == 8


def test_what_comes_late_is_inverted_at_once():
    model = Heads(2)
    preconditioner = made(model, factor_interval=2, inverse_interval=100)
    for step in range(2):
        turn(preconditioner, model, step)
    assert preconditioner.num_inverted == 6
    for step in range(6):
        turn(preconditioner, model, step % 2)
    assert preconditioner.num_inverted == 6


def test_a_gradient_without_curvature_is_told_once():
    """The weights of a head are used, but not by a call of the head."""
    model = Heads(2)
    preconditioner = made(model, factor_interval=3)
    head = model.heads[1]
    forward = lambda x, _: nn.functional.linear(  # noqa: E731
        torch.tanh(model.body(x)), head.weight, head.bias
    )
    turn(preconditioner, model, 0)
    model.forward = forward
    with pytest.warns(UserWarning, match=r"^heads.1 got gradients but no curvature"):
        turn(preconditioner, model, 1)
    for _ in range(5):
        turn(preconditioner, model, 1)
