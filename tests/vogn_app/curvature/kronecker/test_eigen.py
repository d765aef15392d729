"""Preconditioning in eigenbases against dense solves in double precision."""

import pytest
import torch
from torch.testing import assert_close

from vogn_app.curvature.kronecker.eigen import (
    Eigenbasis,
    eigen_precondition,
    eigenbases,
    ekfac_scales,
    ekfac_scales_of_rows,
)
from vogn_app.curvature.kronecker.moments import Moment

NAN, INF = torch.nan, torch.inf
OUT, IN, DAMPING = 3, 5, 0.2


def matrix_moment(blocks, n, dtype=torch.float64):
    rows = torch.randn(blocks, 2 * n, n, dtype=dtype)
    product = rows.mT @ rows / (2 * n)
    return Moment("matrix", (product + product.mT) / 2, 2 * n)


def row_moment(num, n):
    return Moment("rows", torch.randn(1, num, n), num)


def diagonal_moment(blocks, n):
    return Moment("diagonal", torch.rand(blocks, n), 3)


FACTORS = {
    "matrices": (lambda: matrix_moment(1, OUT), lambda: matrix_moment(1, IN)),
    "blocks": (lambda: matrix_moment(3, OUT), lambda: matrix_moment(3, IN)),
    "rows": (lambda: row_moment(2, OUT), lambda: row_moment(4, IN)),
    "embedding": (lambda: matrix_moment(1, OUT), lambda: diagonal_moment(1, IN)),
    "diagonals": (lambda: diagonal_moment(2, OUT), lambda: diagonal_moment(2, IN)),
}


@pytest.fixture(params=FACTORS)
def factors(request):
    """Factors of output gradients and of inputs."""
    return tuple(make() for make in FACTORS[request.param])


def gradient_of(factors):
    blocks = max(len(moment.value) for moment in factors)
    return torch.randn(blocks, OUT, IN)


def solved(matrices, gradient):
    """Blocks [B, out in, out in] solved for a gradient [B, out, in]."""
    flat = torch.linalg.solve(matrices, gradient.flatten(1).unsqueeze(2))
    return flat.view(gradient.shape)


def kron(outputs, inputs):
    """Kronecker products of blocks, for matrices flattened by rows."""
    pairs = zip(outputs.matrix(), inputs.matrix(), strict=True)
    return torch.stack([torch.kron(*pair) for pair in pairs])


def vectors_of(basis):
    n = basis.values.shape[1]
    identity = torch.eye(n).repeat(len(basis.values), 1, 1)
    return identity if basis.vectors is None else basis.vectors.contiguous()


def test_a_basis_makes_its_factor(factors):
    for moment, basis in zip(factors, eigenbases(factors), strict=True):
        vectors = vectors_of(basis)
        assert_close((vectors * basis.values[:, None]) @ vectors.mT, moment.matrix())
        assert (basis.vectors is None) == (moment.form == "diagonal")


def test_values_are_never_negative():
    values = torch.tensor([[-1e-3, 0.0, 2.0]])
    moments = [
        Moment("diagonal", values, 1),
        Moment("matrix", torch.diag_embed(values), 1),
    ]
    for basis in eigenbases(moments):
        assert basis.values.min() == 0
        assert_close(basis.values.sort().values, torch.tensor([[0.0, 0.0, 2.0]]))


def test_many_at_once_are_as_alone():
    moments = [make() for pair in FACTORS.values() for make in pair] * 2
    moments += [matrix_moment(2, IN, torch.float32), matrix_moment(1, IN)]
    for moment, together in zip(moments, eigenbases(moments), strict=True):
        (alone,) = eigenbases([moment])
        assert together.values.dtype == moment.value.dtype
        assert_close(together.values, alone.values)
        assert_close(vectors_of(together).abs(), vectors_of(alone).abs())
    assert eigenbases([]) == []


def test_a_rotation_is_undone():
    (basis,) = eigenbases([matrix_moment(2, IN)])
    rows = torch.randn(4, 2, OUT, IN)
    assert not torch.allclose(basis.rotate(rows), rows)
    assert_close(basis.restore(basis.rotate(rows)), rows)


def test_products_of_eigenvalues_solve_the_kronecker_product(factors):
    gradient = gradient_of(factors)
    system = kron(*factors) + DAMPING * torch.eye(OUT * IN)
    got = eigen_precondition(gradient, *eigenbases(factors), DAMPING)
    assert_close(got, solved(system, gradient))


def test_ekfac_solves_the_fisher_rescaled_in_its_basis(factors):
    gradient, bases = gradient_of(factors), eigenbases(factors)
    contributions = torch.randn(7, *gradient.shape)
    scales = ekfac_scales(contributions, *bases)
    got = eigen_precondition(gradient, *bases, DAMPING, scales)
    pairs = zip(*map(vectors_of, bases), strict=True)
    basis = torch.stack([torch.kron(*pair) for pair in pairs])
    flat = contributions.flatten(2)
    fisher = torch.einsum("nbi,nbj->bij", flat, flat)
    diagonal = (basis.mT @ fisher @ basis).diagonal(dim1=1, dim2=2)
    assert_close(scales.flatten(1), diagonal)
    system = basis @ torch.diag_embed(diagonal + DAMPING) @ basis.mT
    assert_close(got, solved(system, gradient))
    assert not torch.allclose(got, gradient, rtol=1e-2)


def test_ekfac_of_rows_needs_no_contributions():
    a, c = torch.randn(6, IN), torch.randn(6, OUT)
    bases = eigenbases([Moment.of_rows(c), Moment.of_rows(a)])
    contributions = (c.unsqueeze(2) * a.unsqueeze(1)).unsqueeze(1)
    got = ekfac_scales_of_rows(c, a, *bases)
    assert_close(got, ekfac_scales(contributions, *bases))


def test_ekfac_of_rows_of_an_embedding():
    ids, c = torch.tensor([0, 3, 3, 4]), torch.randn(4, OUT)
    one_hot = torch.nn.functional.one_hot(ids, IN).double()
    counts = Moment("diagonal", one_hot.sum(0)[None], 4)
    bases = eigenbases([Moment.of_rows(c), counts])
    contributions = (c.unsqueeze(2) * one_hot.unsqueeze(1)).unsqueeze(1)
    got = ekfac_scales_of_rows(c, one_hot, *bases)
    assert_close(got, ekfac_scales(contributions, *bases))


def test_ekfac_is_exact_for_one_example():
    """Its eigenbases hold the directions of a and c, so that F is diagonal in them."""
    a, c = torch.randn(1, IN), torch.randn(1, OUT)
    bases = eigenbases([Moment.of_rows(c), Moment.of_rows(a)])
    gradient = (c.T @ a).unsqueeze(0)
    scales = ekfac_scales_of_rows(c, a, *bases)
    flat = gradient.flatten(1)
    system = flat.mT @ flat + DAMPING * torch.eye(OUT * IN)
    other = torch.randn(1, OUT, IN)
    for vector in (gradient, other):
        got = eigen_precondition(vector, *bases, DAMPING, scales)
        assert_close(got, solved(system[None], vector))


def test_scales_leave_contributions_of_diagonal_factors_alone():
    bases = eigenbases([diagonal_moment(1, OUT), diagonal_moment(1, IN)])
    contributions = torch.full((2, 1, OUT, IN), 3.0)
    assert_close(ekfac_scales(contributions, *bases), torch.full((1, OUT, IN), 18.0))
    assert (contributions == 3).all()


def test_leading_dimensions_are_so_many_gradients():
    factors = [matrix_moment(2, OUT), matrix_moment(2, IN)]
    bases, gradients = eigenbases(factors), torch.randn(4, 2, OUT, IN)
    got = eigen_precondition(gradients, *bases, DAMPING)
    for one, gradient in zip(got, gradients, strict=True):
        again = eigen_precondition(gradient, *bases, DAMPING)
        assert_close(one, again)


# Failures.

BAD = {
    "nan": Moment("matrix", torch.full((1, 4, 4), NAN), 1),
    "infinite": Moment("matrix", torch.diag(torch.tensor([1.0, INF, 1, 1]))[None], 1),
    "nan rows": Moment("rows", torch.full((1, 2, 4), NAN), 1),
    "nan diagonal": Moment("diagonal", torch.tensor([[1.0, NAN, 1, 1]]), 1),
    "infinite diagonal": Moment("diagonal", torch.tensor([[1.0, INF, 1, 1]]), 1),
}


@pytest.mark.parametrize("name", BAD)
def test_a_factor_that_is_not_finite_has_no_basis_and_harms_no_other(name):
    fine = [matrix_moment(1, 4), diagonal_moment(1, 4)]
    found = eigenbases([*fine, BAD[name], *fine])
    assert found[2] is None
    for moment, basis in zip(fine * 2, found[:2] + found[3:], strict=True):
        vectors = vectors_of(basis)
        assert_close((vectors * basis.values[:, None]) @ vectors.mT, moment.matrix())


def failing(*failures):
    """An eigh that fails for some types, as it does where it does not converge."""
    eigh, calls = torch.linalg.eigh, []

    def fake(matrices):
        calls.append((matrices.dtype, len(matrices)))
        if matrices.dtype in failures:
            raise torch.linalg.LinAlgError("The algorithm failed to converge.")
        return eigh(matrices)

    return fake, calls


def test_what_does_not_converge_is_tried_alone_in_double(monkeypatch):
    eigh, calls = failing(torch.float32)
    monkeypatch.setattr(torch.linalg, "eigh", eigh)
    moments = [matrix_moment(blocks, 4, torch.float32) for blocks in (1, 2)]
    for moment, basis in zip(moments, eigenbases(moments), strict=True):
        assert basis.values.dtype == basis.vectors.dtype == torch.float32
        vectors = vectors_of(basis)
        assert_close((vectors * basis.values[:, None]) @ vectors.mT, moment.matrix())
    wide = torch.float64
    first = torch.float32  # one by one on a CPU
    assert calls == [(first, 1), (wide, 1), (first, 2), (wide, 2)]


def test_what_never_converges_has_no_basis(monkeypatch):
    eigh, _ = failing(torch.float32, torch.float64)
    monkeypatch.setattr(torch.linalg, "eigh", eigh)
    found = eigenbases([matrix_moment(1, 4), diagonal_moment(1, 4)])
    assert found[0] is None
    assert isinstance(found[1], Eigenbasis)


def test_vectors_that_silently_are_not_finite_are_no_basis(monkeypatch):
    eigh, number = torch.linalg.eigh, iter(range(3))

    def fake(matrices):
        values, vectors = eigh(matrices)
        return values, vectors * (NAN if next(number) == 1 else 1.0)

    monkeypatch.setattr(torch.linalg, "eigh", fake)
    found = eigenbases([matrix_moment(1, 4) for _ in range(3)])
    assert [basis is None for basis in found] == [False, True, False]
