"""Dampings of one inversion from those of another."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.reference import armed
from vogn_app.curvature.kronecker.operators import dampings_of
from vogn_app.optim.conversion import converted
from vogn_app.optim.entries import entry_of, moment_of

DAMPING = 0.3


def statistics():
    """Blocks of one and two sides, some with groups, and random means of them."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2), nn.GroupNorm(2, 4), nn.Linear(3, 2)
    )
    capture = armed(model)
    blocks = capture.blocks
    capture.close()
    means = {}
    for name, block in blocks.items():
        for side in block.sides:
            entry = entry_of(block, side)
            value = torch.rand(entry.shape)
            value = value @ value.mT if entry.symmetric else value
            means[name, side] = moment_of(block, side, value)
    return blocks, means


def made(blocks, means, inversion):
    result = {}
    for name, block in blocks.items():
        each = dampings_of(block, means, DAMPING, inversion)
        result |= {(name, side): value for side, value in each.items()}
    return result


@pytest.mark.parametrize("after", ["cholesky", "eigen", "ekfac"])
@pytest.mark.parametrize("before", ["cholesky", "eigen", "ekfac"])
def test_they_are_those_of_an_inversion_of_the_same_statistics(before, after):
    blocks, means = statistics()
    old, expected = made(blocks, means, before), made(blocks, means, after)
    got = converted(blocks, means, old, before, after)
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value)


def test_a_block_that_lacks_a_side_is_left_out():
    blocks, means = statistics()
    old = made(blocks, means, "cholesky")
    del means["2", "outputs"]
    got = converted(blocks, means, old, "cholesky", "eigen")
    assert {name for name, _ in got} == {"0", "1"}
