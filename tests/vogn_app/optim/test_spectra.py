"""Eigenvalues of blocks are those of the dense matrices that the factors stand for."""

import torch

from vogn_app.curvature.kronecker.blocks import (
    DIAGONAL,
    GRADIENTS,
    INPUTS,
    OUTPUTS,
    UNIT,
)
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.curvature.kronecker.unit import unit_moment
from vogn_app.optim.spectra import diagonalised, spectrum


def same(found, dense):
    expected = torch.linalg.eigvalsh(dense).flatten().sort().values
    torch.testing.assert_close(found.sort().values, expected, rtol=1e-9, atol=1e-12)


def matrix(size, blocks=1):
    rows = torch.randn(blocks, 2 * size, size)
    return rows.mT @ rows


def test_two_factors_of_every_form():
    outputs, inputs = matrix(3), torch.randn(1, 2, 5)
    factors = {INPUTS: Moment("rows", inputs, 1), OUTPUTS: Moment("matrix", outputs, 1)}
    dense = torch.kron(outputs[0], (inputs.mT @ inputs)[0])
    found = spectrum(factors)
    assert found.shape == (15,)
    same(found, dense)
    table = torch.rand(1, 4)
    factors = {
        INPUTS: Moment("diagonal", table, 1),
        OUTPUTS: Moment("matrix", outputs, 1),
    }
    same(spectrum(factors), torch.kron(outputs[0], torch.diag(table[0])))


def test_factors_as_diagonals_have_the_same_spectrum():
    factors = {
        INPUTS: Moment("rows", torch.randn(2, 2, 5), 1),
        OUTPUTS: Moment("matrix", matrix(3, blocks=2), 1),
    }
    short = {side: diagonalised(moment, side) for side, moment in factors.items()}
    assert {moment.form for moment in short.values()} == {"diagonal"}
    assert torch.equal(spectrum(short), spectrum(factors))
    for side, form in ((DIAGONAL, "diagonal"), (UNIT, "matrix")):
        moment = Moment(form, torch.rand(3, 2), 1)
        assert diagonalised(moment, side) is moment


def test_groups_of_a_convolution_are_blocks_of_their_own():
    outputs, inputs = matrix(2, blocks=3), matrix(4, blocks=3)
    factors = {
        INPUTS: Moment("matrix", inputs, 1),
        OUTPUTS: Moment("matrix", outputs, 1),
    }
    each = [torch.kron(g, a) for g, a in zip(outputs, inputs, strict=True)]
    same(spectrum(factors), torch.block_diag(*each))


def test_norm_layers_have_two_a_channel():
    weight, bias = torch.randn(2, 6, 3)
    moment = Moment("diagonal", unit_moment({"weight": weight, "bias": bias}), 6)
    pairs = torch.stack((weight, bias), -1)
    same(spectrum({UNIT: moment}), torch.einsum("nca,ncb->cab", pairs, pairs))
    alone = Moment("diagonal", unit_moment({"weight": weight}), 6)
    torch.testing.assert_close(spectrum({UNIT: alone}), weight.square().sum(0))


def test_one_factor():
    whole = matrix(4)
    same(spectrum({GRADIENTS: Moment("matrix", whole, 1)}), whole)
    squares = torch.rand(1, 5)
    found = spectrum({DIAGONAL: Moment("diagonal", squares.float(), 1)})
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, squares[0], rtol=1e-6, atol=0)


def test_rounding_makes_no_eigenvalue_negative():
    rows = torch.randn(1, 1, 30).float()
    found = spectrum({GRADIENTS: Moment("matrix", rows.mT @ rows, 1)})
    assert (found >= 0).all()
