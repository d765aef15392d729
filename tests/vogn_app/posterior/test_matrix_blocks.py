"""Layouts of blocks, and what a block says of its Gaussian."""

import json
import math

import pytest
import torch
from torch import nn

from vogn_app import KroneckerPreconditioner
from vogn_app.optim.matrix_noise import layout_of
from vogn_app.posterior.matrix_blocks import (
    MatrixBlock,
    covariances_by_block,
    deviations,
)

from .matrix_examples import SCALE, Zoo, blocks_of

pytestmark = pytest.mark.filterwarnings("ignore:scale .* have no curvature")


class Tied(nn.Module):
    """A weight in two layers of different kinds: one block from examples."""

    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(5, 3), nn.Linear(3, 5)
        self.out.weight = self.table.weight

    def forward(self, x):
        return self.out(self.table(x))


MODELS = {
    "every kind": Zoo,
    "images": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.Conv2d(4, 2, 1)),
    "tied": Tied,
    "bias alone": lambda: nn.Linear(3, 2).requires_grad_(False),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_layout_puts_numbers_where_the_block_does(kind):
    model = MODELS[kind]()
    if kind == "bias alone":
        model.bias.requires_grad_(True)
    blocks = KroneckerPreconditioner(model).blocks
    assert blocks
    for block in blocks.values():
        names = {part.name: f"renamed {part.name}" for part in block.parts.values()}
        layout = layout_of(block, names)
        matrices = torch.randn(2, *layout.shape)
        found = {id(part): x for part, x in layout.scatter(matrices)}
        for i in range(2):
            values = block.from_matrix(matrices[i])
            for local, part in block.parts.items():
                ours = layout.parts[local]
                assert (ours.name, ours.rows) == (names[part.name], part.rows)
                assert torch.equal(found[id(ours)][i], values[local])


@pytest.mark.parametrize("shape", ["layer", "full", "diagonal"])
def test_layouts_of_other_shapes(shape):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    for block in KroneckerPreconditioner(model, shape=shape).blocks.values():
        names = {part.name: part.name for part in block.parts.values()}
        layout = layout_of(block, names)
        matrix = torch.randn(1, *layout.shape)
        found = {part.name: x[0] for part, x in layout.scatter(matrix)}
        values = block.from_matrix(matrix[0])
        for local, part in block.parts.items():
            assert torch.equal(found[part.name], values[local])


def covariances(blocks):
    return covariances_by_block(blocks, torch.float64)


def test_deviations_are_scaled_draws_of_every_parameter():
    blocks = blocks_of(Zoo())
    layouts, found = [b.layout for b in blocks], covariances(blocks)
    noise = {each.name: torch.randn(2, *each.shape) for each in layouts}
    shapes = {name: p.shape for name, p in Zoo().named_parameters()}
    scales = {each.name: 0.25 for each in layouts}
    got = deviations(layouts, found, noise, scales, shapes)
    assert {n: x.shape[1:] for n, x in got.items()} == {
        n: s for n, s in shapes.items() if n != "scale"
    }
    for layout in layouts:
        matrices = found[layout.name].draw(noise[layout.name]) / 2
        for part, values in layout.scatter(matrices):
            for i in range(2):
                torch.testing.assert_close(part.of(got[part.name][i]), values[i])


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("form", ["matrix", "rows"])
def test_variances_and_determinant_carry_the_scale(joint, form):
    for block in blocks_of(Zoo(), joint=joint, form=form):
        covariance = covariances([block])[block.layout.name]
        n = math.prod(block.layout.shape)
        plain = covariance.variances().sum()
        total = sum(values.sum() for _, values in block.variances(covariance))
        torch.testing.assert_close(total, SCALE * plain)
        expected = covariance.log_determinant() + n * math.log(SCALE)
        assert block.log_determinant(covariance) == pytest.approx(float(expected))


@pytest.mark.parametrize("joint", [False, True])
def test_a_block_survives_as_plain_data(joint):
    for block in blocks_of(Zoo(), joint=joint, form="rows"):
        plain = json.loads(json.dumps(block.described()))
        again = MatrixBlock.from_plain(block.layout.name, plain, block.tensors())
        assert again.layout == block.layout
        assert (again.scale, again.joint) == (block.scale, block.joint)
        for side, factor in block.factors.items():
            other = again.factors[side]
            assert other.moment_mean.form == factor.moment_mean.form
            assert other.moment_mean.value is factor.moment_mean.value
            assert other.damping is factor.damping


def test_other_types_are_of_all_tensors():
    (block,) = blocks_of(nn.Linear(3, 2))
    tensors = block.to(None, torch.float32).tensors()
    assert {t.dtype for t in tensors.values()} == {torch.float32}
    assert {t.dtype for t in block.tensors().values()} == {torch.float64}


def test_a_factor_without_a_root_is_named():
    (block,) = blocks_of(nn.Linear(3, 2))
    for factor in block.factors.values():
        factor.moment_mean.value.neg_()
    with pytest.raises(ValueError, match=r"positive definite with their damping"):
        covariances([block])
