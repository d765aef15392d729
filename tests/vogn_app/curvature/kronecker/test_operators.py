"""Damping, inversion and application, against dense solves."""

import math

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
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.curvature.kronecker.operators import (
    apply,
    dampings_of,
    has_two_sides,
    invert,
)

DAMPING = 0.03


def linear_block(layer, name="layer"):
    model = nn.ModuleDict({name: layer})
    (block,) = blocks_of(find_watched(model, trained(model))).values()
    return block


def example_block(kind, *shapes):
    names = ("weight", "bias")[: len(shapes)]
    parts = zip(names, map(torch.Size, shapes), strict=True)
    return kind("layer", {name: Part(name, shape) for name, shape in parts})


def mean(form, *shape):
    """A random mean of 40 rows, or of fewer than they are long."""
    if form == "rows":
        return Moment("rows", torch.randn(1, 2, shape[-1]), 1)
    if form == "diagonal":
        return Moment("diagonal", torch.rand(*shape), 1)
    rows = torch.randn(shape[0], 40, shape[-1])
    return Moment("matrix", rows.mT @ rows / 40, 1)


def solved(block, means, matrix, inversion="cholesky"):
    dampings = {
        (block.name, side): value
        for side, value in dampings_of(block, means, DAMPING, inversion).items()
    }
    made = invert(list(means), means, dampings, inversion)
    operators = {side: made[block.name, side] for side in block.sides}
    before = matrix.clone()
    result = apply(block, matrix, operators, torch.tensor(DAMPING))
    assert result.shape == matrix.shape
    assert torch.equal(matrix, before)
    return result


def pi_of(a, g):
    """From the traces of A and G."""
    return math.sqrt((a.trace() / len(a)) / (g.trace() / len(g)))


def solve_kronecker(a, g, matrix, extra=None):
    """(A (x) G)^-1 of a matrix [out, in], by solving the product itself."""
    product = torch.kron(a, g)
    product += 0 if extra is None else extra * torch.eye(len(product))
    flat = torch.linalg.solve(product, matrix.mT.flatten())
    return flat.view(matrix.mT.shape).mT


FORMS = pytest.mark.parametrize(
    "forms", [("matrix", "matrix"), ("rows", "matrix"), ("rows", "rows")]
)


@FORMS
def test_both_sides_are_damped_by_their_share(forms):
    block = linear_block(nn.Linear(4, 3))
    a, g = mean(forms[0], 1, 5), mean(forms[1], 1, 3)
    matrix = torch.randn(1, 3, 5)
    means = {("layer", "inputs"): a, ("layer", "outputs"): g}
    (dense_a,), (dense_g,) = a.matrix(), g.matrix()
    pi, root = pi_of(dense_a, dense_g), math.sqrt(DAMPING)
    damped = (
        dense_a + pi * root * torch.eye(5),
        dense_g + root / pi * torch.eye(3),
    )
    close(solved(block, means, matrix)[0], solve_kronecker(*damped, matrix[0]))


@FORMS
def test_eigenbases_damp_the_product(forms):
    block = linear_block(nn.Linear(4, 3))
    a, g = mean(forms[0], 1, 5), mean(forms[1], 1, 3)
    matrix = torch.randn(1, 3, 5)
    means = {("layer", "inputs"): a, ("layer", "outputs"): g}
    expected = solve_kronecker(a.matrix()[0], g.matrix()[0], matrix[0], DAMPING)
    close(solved(block, means, matrix, "eigen")[0], expected, rtol=1e-8)


@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_groups_are_blocks_of_their_own(inversion):
    grouped = linear_block(nn.Conv1d(4, 6, 3, groups=2))
    a, g = mean("matrix", 2, 7), mean("matrix", 2, 3)
    matrix = torch.randn(2, 3, 7)
    means = {("layer", "inputs"): a, ("layer", "outputs"): g}
    got = solved(grouped, means, matrix, inversion)
    alone = linear_block(nn.Conv1d(2, 3, 3))
    for i in range(2):
        each = {k: Moment("matrix", m.value[i : i + 1], 1) for k, m in means.items()}
        close(got[i : i + 1], solved(alone, each, matrix[i : i + 1], inversion))


@pytest.mark.parametrize("inversion", ["cholesky", "eigen"])
def test_the_counts_of_an_embedding_are_a_diagonal(inversion):
    block = linear_block(nn.Embedding(5, 3))
    a, g = mean("diagonal", 1, 5), mean("matrix", 1, 3)
    matrix = torch.randn(1, 3, 5)
    means = {("layer", "inputs"): a, ("layer", "outputs"): g}
    whole = {**means, ("layer", "inputs"): Moment("matrix", a.matrix(), 1)}
    got = solved(block, means, matrix, inversion)
    close(got, solved(block, whole, matrix, inversion))


@pytest.mark.parametrize("zero", ["inputs", "outputs"])
def test_a_factor_that_is_zero_shares_the_damping_equally(zero):
    block = linear_block(nn.Linear(4, 3))
    means = {("layer", "inputs"): mean("matrix", 1, 5)}
    means["layer", "outputs"] = mean("matrix", 1, 3)
    means["layer", zero] = Moment("matrix", 0 * means["layer", zero].value, 1)
    shares = dampings_of(block, means, DAMPING, "cholesky")
    assert all(torch.equal(x, torch.tensor([DAMPING]).sqrt()) for x in shares.values())
    assert solved(block, means, torch.randn(1, 3, 5)).isfinite().all()


def test_unit_blocks_are_solved_one_by_one():
    block = example_block(UnitBlock, (4,), (4,))
    rows = torch.randn(6, 2, 4)
    products = torch.einsum("nic,njc->cij", rows, rows) / 6
    packed = torch.stack((products[:, 0, 0], products[:, 0, 1], products[:, 1, 1]))
    means = {("layer", "unit"): Moment("diagonal", packed, 1)}
    matrix = torch.randn(1, 1, 8)
    damped = products + DAMPING * torch.eye(2)
    expected = torch.linalg.solve(damped, matrix.view(2, 4).T[..., None])[..., 0].T
    close(solved(block, means, matrix), expected.reshape(1, 1, 8))


def test_a_unit_block_of_one_parameter_is_a_diagonal():
    block = example_block(UnitBlock, (4,))
    squares, matrix = torch.rand(1, 4), torch.randn(1, 1, 4)
    means = {("layer", "unit"): Moment("diagonal", squares, 1)}
    close(solved(block, means, matrix), matrix / (squares + DAMPING))


def test_squares_are_a_diagonal():
    block = example_block(DiagonalBlock, (2, 3), (2,))
    squares, matrix = torch.rand(1, 8), torch.randn(1, 1, 8)
    means = {("layer", "diagonal"): Moment("diagonal", squares, 1)}
    close(solved(block, means, matrix), matrix / (squares + DAMPING))


@pytest.mark.parametrize("form", ["matrix", "rows"])
def test_outer_products_are_solved_whole(form):
    block = example_block(LayerBlock, (2, 3), (2,))
    fisher, matrix = mean(form, 1, 8), torch.randn(1, 1, 8)
    means = {("layer", "gradients"): fisher}
    damped = fisher.matrix()[0] + DAMPING * torch.eye(8)
    close(solved(block, means, matrix)[0, 0], torch.linalg.solve(damped, matrix[0, 0]))


def test_what_cannot_be_inverted_is_none_and_harms_no_other():
    first, second = (
        linear_block(nn.Linear(4, 3), "a"),
        linear_block(nn.Linear(4, 3), "b"),
    )
    means = {
        (block.name, side): mean("matrix", 1, size)
        for block in (first, second)
        for side, (_, size) in block.sizes.items()
    }
    means["a", "inputs"] = Moment("matrix", -means["a", "inputs"].value, 1)
    dampings = dict.fromkeys(means, torch.tensor([DAMPING]))
    made = invert(list(means), means, dampings, "cholesky")
    assert [key for key, inverse in made.items() if inverse is None] == [
        ("a", "inputs")
    ]


def test_which_blocks_have_two_sides():
    assert has_two_sides(linear_block(nn.Linear(2, 2)))
    assert not has_two_sides(example_block(UnitBlock, (4,), (4,)))
