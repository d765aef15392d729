"""Blocks: matrices of gradients and back, sizes, statistics."""

import pytest
import torch
from torch import nn

from tests.vogn_app.curvature.kronecker.reference import close, trained
from vogn_app.curvature.kronecker.blocks import (
    DiagonalBlock,
    LayerBlock,
    Part,
    UnitBlock,
)
from vogn_app.curvature.kronecker.layout import blocks_of, find_watched

N = 4


def block_of(layer, **options):
    (block,) = blocks_of(find_watched(layer, trained(layer), **options)).values()
    return block


KRONECKER = {
    "linear": (lambda: nn.Linear(3, 2), (1, 2, 4)),
    "linear, no bias": (lambda: nn.Linear(3, 2, bias=False), (1, 2, 3)),
    "conv": (lambda: nn.Conv2d(2, 3, (3, 2)), (1, 3, 13)),
    "conv, groups": (lambda: nn.Conv1d(4, 6, 3, groups=2), (2, 3, 7)),
    "embedding": (lambda: nn.Embedding(5, 3), (1, 3, 5)),
}


def example_block(kind):
    parts = {"w": Part("m.w", torch.Size((2, 3))), "b": Part("m.b", torch.Size((2,)))}
    return kind("m", parts)


@pytest.mark.parametrize("name", KRONECKER)
def test_kronecker_matrices_go_there_and_back(name):
    make, shape = KRONECKER[name]
    layer = make()
    block = block_of(layer)
    values = {local: torch.randn_like(p) for local, p in layer.named_parameters()}
    matrix = block.to_matrix(values)
    assert matrix.shape == block.matrix_shape == shape
    blocks, outputs, inputs = shape
    assert block.sizes == {"inputs": (blocks, inputs), "outputs": (blocks, outputs)}
    back = block.from_matrix(matrix)
    assert set(back) == set(values)
    assert all(torch.equal(back[local], values[local]) for local in values)


@pytest.mark.parametrize("kind", [DiagonalBlock, LayerBlock])
def test_other_matrices_are_one_row(kind):
    block = example_block(kind)
    values = {"w": torch.randn(2, 3), "b": torch.randn(2)}
    matrix = block.to_matrix(values)
    assert matrix.shape == block.matrix_shape == (1, 1, 8)
    assert torch.equal(matrix.flatten()[6:], values["b"])
    back = block.from_matrix(matrix)
    assert all(torch.equal(back[local], values[local]) for local in values)


def test_the_gradient_of_a_linear_layer_is_the_product_of_its_rows():
    layer, x = nn.Linear(3, 2), torch.randn(N, 3)
    c = torch.randn(N, 2)
    layer(x).backward(c)
    gradients = {local: p.grad for local, p in layer.named_parameters()}
    with_one = torch.cat((x, torch.ones(N, 1)), 1)
    close(block_of(layer).to_matrix(gradients)[0], c.T @ with_one)


def test_a_diagonal_block_sums_squares():
    block = example_block(DiagonalBlock)
    rows = {"w": torch.randn(N, 2, 3), "b": torch.randn(N, 2)}
    moment = block.moment(rows)
    joined = torch.cat((rows["w"].flatten(1), rows["b"]), 1)
    assert (moment.form, moment.count) == ("diagonal", N)
    close(moment.value, joined.square().sum(0, keepdim=True))
    assert block.sizes == {"diagonal": (8, 1)}


@pytest.mark.parametrize("num", [N, 20])
def test_a_layer_block_sums_outer_products(num):
    block = example_block(LayerBlock)
    rows = {"w": torch.randn(num, 2, 3), "b": torch.randn(num, 2)}
    moment = block.moment(rows)
    joined = torch.cat((rows["w"].flatten(1), rows["b"]), 1)
    assert moment.count == num
    assert moment.form == ("rows" if num < 8 else "matrix")
    close(moment.matrix()[0], joined.T @ joined)
    assert block.sizes == {"gradients": (1, 8)}


def test_a_unit_block_sums_products_of_scale_and_shift():
    parts = {name: Part(name, torch.Size((2, 3))) for name in ("m.weight", "m.bias")}
    block = UnitBlock("m", parts)
    rows = {name: torch.randn(N, 2, 3) for name in parts}
    moment = block.moment(rows)
    w, b = (rows[name].flatten(1) for name in parts)
    close(moment.value, torch.stack([(w * w).sum(0), (w * b).sum(0), (b * b).sum(0)]))
    assert block.sizes == {"unit": (6, 2)}
    matrix = block.to_matrix({name: value[0] for name, value in rows.items()})
    assert matrix.shape == block.matrix_shape == (1, 1, 12)


def test_a_part_is_a_view():
    whole = torch.arange(12.0).view(6, 2)
    part = Part("w", torch.Size((2, 2)), (2, 4))
    part.of(whole).zero_()
    assert whole.count_nonzero() == 7  # the first is zero
    assert Part("w", torch.Size((6, 2))).of(whole) is whole


def test_what_reaches_no_parameter_is_no_contribution():
    layer = nn.Embedding(4, 2, padding_idx=1)
    x, c = torch.tensor([[0, 1], [1, 3]]), torch.randn(2, 2, 2)
    block = block_of(layer)
    kept = c[[0, 1], [0, 1]]
    close(block.outputs(x, c).matrix()[0], kept.T @ kept)
    counts = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    close(block.inputs(x).value, counts)
