"""Which calls are all there is to a gradient, by what autograd does to it."""

from contextlib import ExitStack

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.kept_uses import KeptUses
from vogn_app.curvature.kronecker.layout import blocks_of, find_watched


class Model:
    """A linear layer whose calls are kept."""

    def __init__(self):
        self.layer, self.stack = nn.Sequential(nn.Linear(3, 2)), ExitStack()
        parameters = dict(self.layer.named_parameters())
        blocks = blocks_of(find_watched(self.layer, parameters))
        (self.name,) = blocks
        self.block, self.kept = blocks[self.name], KeptUses(parameters, blocks)
        self.kept.want([self.name], self.stack)

    def backward(self):
        x = torch.randn(4, 3)
        output = self.layer(x)
        output.register_hook(lambda g: self.kept.add(self.block, x, g))
        output.square().mean().backward()
        return x


def test_one_call_is_all_there_is():
    model = Model()
    x = model.backward()
    (use,) = model.kept.lone().values()
    assert use.x is x
    torch.testing.assert_close(use.c.T @ use.x, model.layer[0].weight.grad)


def clipped(model):
    model.layer[0].weight.grad.mul_(0.5)


def replaced(model):
    model.layer[0].bias.grad = model.layer[0].bias.grad.clone()


def cleared(model):
    model.layer.zero_grad()


def forgotten(model):
    model.kept.clear()


@pytest.mark.parametrize("act", [Model.backward, clipped, replaced, cleared, forgotten])
def test_what_was_added_or_changed_since_shows(act):
    model = Model()
    model.backward()
    act(model)
    assert model.kept.lone() == {}


def test_a_gradient_that_was_there_before_or_has_hooks_is_more_than_the_call():
    model = Model()
    model.layer[0].weight.grad = torch.zeros(2, 3)
    model.backward()
    assert model.kept.lone() == {}
    other = Model()
    other.layer[0].weight.register_hook(lambda g: g)
    other.backward()
    assert [use.first for use in other.kept.uses] == [False]
    assert other.kept.lone() == {}


def test_nothing_is_known_once_the_stack_is_closed():
    model = Model()
    model.stack.close()
    model.backward()
    assert model.kept.lone() == {}
    assert len(model.kept.take()) == 1
    assert model.kept.uses == []
