"""Who owns what follows from costs and shared parameters alone."""

import pytest
import torch
from torch import nn

from vogn_app.curvature.kronecker.blocks import (
    DiagonalBlock,
    KroneckerBlock,
    LayerBlock,
    Part,
    UnitBlock,
)
from vogn_app.curvature.kronecker.rules import kronecker_rule_for
from vogn_app.optim.owners import cost_of, owners_of, parameter_owners


def linear(name, inputs, outputs, parameters=None, module=None):
    module = nn.Linear(inputs, outputs) if module is None else module
    names = parameters or {local: f"{name}.{local}" for local in ("weight", "bias")}
    parts = {
        local: Part(full, module.get_parameter(local).shape)
        for local, full in names.items()
    }
    rule = kronecker_rule_for(module)
    return KroneckerBlock(name, parts, rule, module, "expand")


def by_name(*blocks):
    return {block.name: block for block in blocks}


def test_the_cost_is_that_of_the_cubes_that_are_inverted():
    assert cost_of(linear("a", 3, 5)) == 4**3 + 5**3  # one more for the bias
    weight = {"weight": "a.weight"}
    assert cost_of(linear("a", 3, 5, weight)) == 3**3 + 5**3
    assert cost_of(linear("a", 3, 5, {"bias": "a.bias"})) == 1 + 5**3
    grouped = nn.Conv2d(4, 6, 3, groups=2)
    assert cost_of(linear("a", 0, 0, weight, grouped)) == 2 * (18**3 + 3**3)
    table = nn.Embedding(50, 4)
    assert cost_of(linear("a", 0, 0, weight, table)) == 50 + 4**3


def test_the_cost_of_blocks_of_per_example_gradients():
    parts = {name: Part(name, torch.Size((7,))) for name in ("w", "b")}
    assert cost_of(UnitBlock("a", parts)) == 7 * 2**3
    assert cost_of(DiagonalBlock("a", parts)) == 14
    assert cost_of(LayerBlock("a", parts)) == 14**3


def test_the_longest_work_goes_first_to_whom_has_least():
    blocks = by_name(*(linear(f"l{n}", n, n) for n in (5, 40, 20, 21, 6)))
    owners = owners_of(blocks, 2)
    assert list(owners) == list(blocks)
    assert owners == {"l40": 0, "l21": 1, "l20": 1, "l6": 1, "l5": 1}
    assert set(owners_of(blocks, 1).values()) == {0}
    assert sorted(owners_of(blocks, 5).values()) == [0, 1, 2, 3, 4]


def test_equal_costs_are_told_apart_by_order():
    blocks = by_name(*(linear(name, 4, 4) for name in "zyx"))
    assert owners_of(blocks, 3) == {"z": 0, "y": 1, "x": 2}


def test_blocks_with_a_common_parameter_have_one_owner():
    packed = [{"weight": "in.weight", "bias": "in.bias"}] * 2
    blocks = by_name(
        linear("q", 20, 20, packed[0]), linear("big", 30, 30),
        linear("k", 20, 20, packed[1]), linear("b", 25, 25, {"bias": "in.bias"}),
        linear("small", 2, 2),
    )  # fmt: skip
    owners = owners_of(blocks, 3)
    assert owners["q"] == owners["k"] == owners["b"] == 1
    assert (owners["big"], owners["small"]) == (0, 2)


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_parameters_go_with_their_block_and_others_in_turn(num_ranks):
    blocks = by_name(linear("a", 3, 3), linear("b", 9, 9))
    names = ["x", "b.weight", "y", "a.bias", "b.bias", "z", "a.weight", "w"]
    owners = owners_of(blocks, num_ranks)
    found = parameter_owners(names, blocks, owners, num_ranks)
    assert list(found) == names
    for block in "ab":
        assert found[f"{block}.weight"] == found[f"{block}.bias"] == owners[block]
    assert [found[name] for name in "xyzw"] == [n % num_ranks for n in range(4)]
