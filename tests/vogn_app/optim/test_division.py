"""What ranks do for each other, piece by piece, on real processes."""

import re

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.reference import armed
from tests.vogn_app.distributed.processes import run
from tests.vogn_app.integration.test_kfac_ddp import network
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.distributed import ranks_of
from vogn_app.optim.division import Division, check_distribution, check_half
from vogn_app.optim.entries import entry_of


@pytest.mark.parametrize("value", ["memory", "communication", 0.25, 1, 1.0])
def test_a_distribution_is_a_name_or_a_share_of_the_ranks(value):
    assert check_distribution(value) == value


@pytest.mark.parametrize("value", ["hybrid", 0, -0.5, 1.5, None])
def test_any_other_distribution_is_refused(value):
    with pytest.raises(ValueError, match=re.escape(f"{value!r}")):
        check_distribution(value)


def test_halves_are_those_that_can_be_sent():
    for dtype in (None, torch.float16, torch.bfloat16):
        assert check_half(dtype) is dtype
    with pytest.raises(ValueError, match="float64"):
        check_half(torch.float64)


def division(rank, fraction):
    model = network()
    capture = armed(model)
    ranks = ranks_of("default", nn.Linear(1, 1))
    blocks, parameters = capture.blocks, dict(model.named_parameters())
    capture.close()
    made = Division(parameters, blocks, ranks, fraction, None)
    keys = [(b.name, side) for b in blocks.values() for side in b.sides]
    return made, blocks, keys


def value_of(block, side, rank=0):
    """A statistic that only an owner knows: of its block's name and side."""
    entry = entry_of(block, side)
    generator = torch.Generator().manual_seed(len(block.name + side) + rank)
    value = torch.rand(entry.shape, generator=generator)
    return value + value.mT if entry.symmetric else value


def pieces(rank, fraction):
    made, blocks, keys = division(rank, fraction)
    owned = {
        (name, side): Moment(
            "matrix" if entry_of(blocks[name], side).symmetric else "diagonal",
            value_of(blocks[name], side), 1,
        )
        for name, side in keys
        if made.inverts(name)
    }  # fmt: skip
    names = list(blocks)[::2]
    scales = {n: torch.full(blocks[n].matrix_shape, rank + 1.0) for n in names}
    if rank:
        scales.pop(names[0])
    products = {
        name: torch.full(block.matrix_shape, float(made.owners[name]))
        for name, block in blocks.items()
        if made.works_on(name)
    }
    every = made.given_to_all(keys, owned)
    return {
        "inverts": {name for name in blocks if made.inverts(name)},
        "works": set(products),
        "every": {k: m.value for k, m in every.items()},
        "memory": {
            m.value.untyped_storage().nbytes() == m.value.nbytes for m in every.values()
        },
        "scales": made.summed_scales(scales, names),
        "products": made.share_products(list(blocks), products),
        "owners": made.owners,
        "totals": made.totals([rank, 1, 2**40]),
        "total": made.total(torch.tensor([rank + 0.5])),
    }


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_what_one_rank_has_reaches_those_who_need_it(fraction, tmp_path):
    size = 4
    results = run(pieces, size, tmp_path, fraction)
    capture = armed(network())
    blocks = capture.blocks
    capture.close()
    inverted = [name for each in results for name in each["inverts"]]
    assert sorted(inverted) == sorted(blocks)  # each by one rank
    for each in results:
        assert len(each["inverts"]) < len(blocks)
        assert each["inverts"] <= each["works"]
        assert each["memory"] == {True}  # none of a whole buffer
        assert (each["works"] == set(blocks)) == (fraction == 1)
        for (name, side), got in each["every"].items():
            assert torch.equal(got, value_of(blocks[name], side))
        for number, (name, got) in enumerate(each["scales"].items()):
            expected = 1.0 if number == 0 else 1.0 + 2 + 3 + 4
            assert torch.equal(got, torch.full(blocks[name].matrix_shape, expected))
        assert set(each["products"]) == set(blocks)
        for name, got in each["products"].items():
            assert (got == each["owners"][name]).all()
        assert each["owners"] == results[0]["owners"]
        assert each["totals"] == [6, size, size * 2**40]
        assert each["total"] == 8.0
    for name in blocks:
        workers = sum(name in each["works"] for each in results)
        assert workers == size * fraction
