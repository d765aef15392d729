"""Sums of blocks with and without per-example gradients, side by side."""

import torch
from torch import nn
from torch.testing import assert_close

from vogn_app.curvature.evidence import Evidence
from vogn_app.curvature.kronecker.blocks import DIAGONAL, INPUTS, DiagonalBlock, Part
from vogn_app.curvature.kronecker.gathering import Gathering
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.curvature.rules.linear import LINEAR

BLOCK = DiagonalBlock("b", {"weight": Part("weight", torch.Size((2, 3)))})
KEY = ("b", DIAGONAL)


def moment():
    return Moment("diagonal", torch.rand(1, 4), 2)


def use(gathering):
    """A call of a linear layer, and its squares."""
    x, g = torch.randn(5, 3), torch.randn(5, 2)
    gathering.examples(BLOCK).open(recomputed=False)
    evidence = Evidence.of(LINEAR, nn.Linear(3, 2, bias=False), x, g, 0)
    gathering.examples(BLOCK).add({"weight": "weight"}, evidence)
    return torch.einsum("ni,nj->nij", g, x).square().sum(0).view(1, -1)


def test_what_is_finished_is_what_there_was_so_far():
    gathering, one, other = Gathering(), moment(), moment()
    gathering.add("a", INPUTS, one)
    gathering.add("a", INPUTS, other)
    squares = use(gathering)
    before = gathering.so_far("b")[KEY], gathering.so_far("a")["a", INPUTS]
    sums = gathering.finish()
    assert set(sums) == {KEY, ("a", INPUTS)}
    assert (sums[KEY], sums["a", INPUTS]) == before
    assert_close(sums[KEY].value, squares)
    assert_close(sums["a", INPUTS].value, one.value + other.value)


def test_examples_after_the_finish_are_new_ones():
    gathering = Gathering()
    first = use(gathering)
    gathering.finish()
    second = use(gathering)
    assert_close(gathering.finish()[KEY].value, first + second)


def test_a_block_whose_backward_pass_never_came_has_no_sum():
    gathering = Gathering()
    gathering.examples(BLOCK).open(recomputed=False)
    assert gathering.so_far("b") == gathering.finish() == {}


def test_what_is_taken_or_cleared_is_gone():
    gathering = Gathering()
    use(gathering)
    assert set(gathering.take()) == {KEY}
    assert gathering.finish() == {}
    use(gathering)
    gathering.clear()
    assert gathering.so_far("b") == gathering.finish() == {}
