"""Natural gradients from the rows of a batch, and when they must not be used."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vogn_app import KFAC, KroneckerPreconditioner
from vogn_app.optim import row_products
from vogn_app.optim.row_products import is_cheaper, row_product

SETTINGS = {"damping": 0.02, "factor_decay": 0.5, "factor_interval": 3}


def network(seed=0):
    torch.manual_seed(seed)
    layers = nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 50, bias=False), nn.Tanh()
    return nn.Sequential(*layers, nn.Linear(50, 3))


def steps(monkeypatch, worth, change=lambda model, step: None, num=7, penalty=0.0):
    """Natural gradients of some steps, by rows where that is said to be worth it."""
    monkeypatch.setattr(row_products, "WORTH", worth)
    used = []
    original = row_products.row_product

    def counted(*args):
        used.append(1)
        return original(*args)

    monkeypatch.setattr("vogn_app.optim.products.row_product", counted)
    model = network()
    preconditioner = KroneckerPreconditioner(model, **SETTINGS)
    result = []
    for step in range(num):
        x, y = torch.randn(5, 30), torch.randint(3, (5,))
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if penalty and step % 3:  # not on steps that refresh
            loss = loss + penalty * sum(p.square().sum() for p in model.parameters())
        loss.backward()
        change(model, step)
        result.append(preconditioner.natural_gradients())
    return result, len(used)


def assert_same(monkeypatch, **options):
    """Rows on or off: the same natural gradients; returns how often rows were used."""
    torch.manual_seed(1)
    plain, none = steps(monkeypatch, 0.0, **options)
    monkeypatch.undo()
    torch.manual_seed(1)
    fast, used = steps(monkeypatch, 0.7, **options)
    assert none == 0
    for ours, theirs in zip(fast, plain, strict=True):
        for name, truth in theirs.items():
            torch.testing.assert_close(ours[name], truth, rtol=1e-8, atol=1e-12)
    return used


def test_rows_give_the_same_natural_gradients(monkeypatch):
    assert assert_same(monkeypatch) >= 10


def test_a_penalty_that_refresh_steps_lack_is_seen(monkeypatch):
    assert assert_same(monkeypatch, penalty=1e-3) <= 6  # on refresh steps alone


@pytest.mark.parametrize(
    "change",
    [
        lambda model, _: nn.utils.clip_grad_norm_(model.parameters(), 1e-3),
        lambda model, _: [p.grad.data.mul_(0.5) for p in model.parameters()],
        lambda model, _: [setattr(p, "grad", 2 * p.grad) for p in model.parameters()],
    ],
    ids=["clipped", "behind autograd's back", "replaced"],
)
def test_changed_gradients_are_preconditioned_as_they_are(change, monkeypatch):
    assert assert_same(monkeypatch, change=change) == 0


def test_a_block_that_fails_thrice_is_not_tried_again():
    model = network()
    preconditioner = KroneckerPreconditioner(model, **SETTINGS)
    for _ in range(row_products.FAILURES):
        assert preconditioner._kept()
        model.zero_grad()
        loss = F.cross_entropy(model(torch.randn(5, 30)), torch.randint(3, (5,)))
        (loss + sum(p.square().sum() for p in model.parameters())).backward()
        preconditioner.natural_gradients()
    assert not preconditioner._kept()


def test_large_batches_take_the_other_way():
    model = nn.Linear(30, 40)
    preconditioner = KroneckerPreconditioner(model, **SETTINGS)
    F.cross_entropy(model(torch.randn(200, 30)), torch.randint(40, (200,))).backward()
    preconditioner.natural_gradients()
    (block,) = preconditioner.blocks.values()
    operators = preconditioner._state.operators_of(block)
    assert is_cheaper(4, block, operators)
    assert not is_cheaper(200, block, operators)
    assert preconditioner._kept() == []


@pytest.mark.parametrize("wanted", [{"weight", "bias"}, {"weight"}])
def test_the_product_has_the_parameters_shapes(wanted):
    model = nn.Linear(6, 4, bias="bias" in wanted)
    preconditioner = KroneckerPreconditioner(model, **SETTINGS)
    x = torch.randn(3, 6)
    F.cross_entropy(model(x), torch.randint(4, (3,))).backward()
    preconditioner.natural_gradients()
    (block,) = preconditioner.blocks.values()
    operators = preconditioner._state.operators_of(block)
    a = torch.cat((x, torch.ones(3, 1)), 1) if "bias" in wanted else x
    c = torch.randn(3, 4)
    values = row_product(a, c, operators, frozenset(wanted))
    vector = {"weight": c.T @ x, "bias": c.sum(0)}
    expected = preconditioner.precondition({k: vector[k] for k in wanted})
    assert set(values) == wanted
    for name, truth in expected.items():
        torch.testing.assert_close(values[name], truth)


def test_a_resumed_run_takes_the_same_way_whatever_the_batches():
    """Both ways give the same up to rounding, and resuming is bit for bit."""
    ours, theirs = network(), network(1)
    one = KFAC(ours, **SETTINGS)
    batches = [(torch.randn(n, 30), torch.randint(3, (n,))) for n in (5, 90, 3, 40, 7)]

    def train(optimizer, model, steps):
        for number in steps:
            x, y = batches[number % 5]
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    train(one, ours, range(8))
    other = KFAC(theirs, **SETTINGS)
    theirs.load_state_dict(ours.state_dict())
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert other.preconditioner._kept() == one.preconditioner._kept()
    train(one, ours, range(8, 14))
    train(other, theirs, range(8, 14))
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, its)
