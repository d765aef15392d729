"""What K-FAC drops: passes that were given up, calls without one, whole graphs."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.natural import close
from vogn_app import KFAC, KroneckerPreconditioner

SETTINGS = {"damping": 0.05, "factor_interval": 1}


class Recurrent(nn.Module):
    """A layer that runs again, of one output or of two."""

    def __init__(self, kind, both):
        super().__init__()
        self.layer, self.head = kind(3, 4, batch_first=True), nn.Linear(4, 3)
        self.both = both

    def forward(self, x):
        output, state = self.layer(x)
        state = state[0] if isinstance(state, tuple) else state
        return self.head(output[:, -1] + state[-1] if self.both else output[:, -1])


class Cell(nn.Module):
    """A layer that nobody knows, of two outputs made from one another."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTMCell(3, 4), nn.Linear(4, 3)

    def forward(self, x):
        h, c = self.cell(x[:, 0])
        return self.head(h + c)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Recurrent(nn.GRU, both=False),
        lambda: Recurrent(nn.LSTM, both=True),
        Cell,
    ],
    ids=["gru", "lstm", "cell"],
)
def test_no_graph_outlives_its_step(make):
    model, inputs = make(), []
    kfac = KFAC(model, 0.01, **SETTINGS)
    for _ in range(3):
        kfac.zero_grad()
        x = torch.randn(5, 2, 3, requires_grad=True) * 1  # part of the graph
        inputs.append(weakref.ref(x))
        F.cross_entropy(model(x), torch.randint(3, (5,))).backward()
        del x
        kfac.step()
    kfac.zero_grad()
    gc.collect()
    assert [each() for each in inputs] == [None] * 3


@pytest.mark.parametrize("curvature", ["empirical", "exact"])
def test_a_second_pass_through_a_call_counts_after_zero_grad(curvature):
    """As methods do that look at the gradients of several losses first."""
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 3))
    theirs = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 3))
    theirs.load_state_dict(ours.state_dict())
    one = KFAC(ours, 0.1, curvature=curvature, **SETTINGS)
    other = KFAC(theirs, 0.1, curvature=curvature, **SETTINGS)
    for _ in range(3):
        x, y = torch.randn(6, 3), torch.randint(3, (6,))
        loss = F.cross_entropy(ours(x), y)
        loss.backward(retain_graph=True)
        one.zero_grad()
        loss.backward()
        one.step()
        one.zero_grad()
        other.zero_grad()
        F.cross_entropy(theirs(x), y).backward()
        other.step()
        close(dict(ours.named_parameters()), dict(theirs.named_parameters()))


class Shifted(nn.Module):
    """Calls a layer on one row in place of the examples, if so told."""

    def __init__(self):
        super().__init__()
        self.shift, self.head = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x, strange=False):
        row = torch.ones(len(x) // 2 + 1, 3)  # neither 1 nor as many as the examples
        h = self.shift(row).sum() if strange else self.shift(x)
        return self.head(x + h)


def test_a_batch_that_was_given_up_spoils_no_other():
    model = Shifted()
    kfac = KFAC(model, 0.1, **SETTINGS)
    x, y = torch.randn(6, 3), torch.randint(3, (6,))
    F.cross_entropy(model(x, strange=True), y).backward()
    kfac.zero_grad()
    F.cross_entropy(model(x), y).backward()
    kfac.step()
    assert {name for name, _ in kfac.preconditioner.factors()} == {"shift", "head"}


def test_a_call_without_a_pass_spoils_no_other():
    model = Shifted()
    preconditioner = KroneckerPreconditioner(model, curvature="exact", **SETTINGS)
    x, y = torch.randn(6, 3), torch.randint(3, (6,))
    model(x, strange=True)
    F.cross_entropy(model(x), y).backward()
    preconditioner.step()
    assert {name for name, _ in preconditioner.factors()} == {"shift", "head"}


def test_forwards_that_fail_leave_nothing():
    model = Shifted()
    kfac = KFAC(model, 0.1, curvature="fisher", **SETTINGS)
    model.head.forward = None
    for _ in range(3):
        with pytest.raises(TypeError):
            model(torch.randn(6, 3))
    assert len(kfac.preconditioner._capture._later) <= 1
    model.shift(torch.randn(6, 3))  # a layer alone has no labels
    assert len(kfac.preconditioner._capture._later) <= 2
