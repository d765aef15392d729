"""Damped inverses against dense solves in double precision."""

import pytest
import torch
from torch.testing import assert_close

from vogn_app.curvature.kronecker.damped import Request
from vogn_app.curvature.kronecker.inverses import (
    DenseInverse,
    DiagonalInverse,
    ThinInverse,
    damped_inverses,
    trace_norm_pi,
)
from vogn_app.curvature.kronecker.moments import Moment


def matrix_moment(blocks, n, dtype=torch.float64):
    rows = torch.randn(blocks, 2 * n, n, dtype=dtype)
    return Moment("matrix", symmetric(rows.mT @ rows / (2 * n)), 2 * n)


def row_moment(num, n, dtype=torch.float64):
    return Moment("rows", torch.randn(1, num, n, dtype=dtype) / num**0.5, num)


def diagonal_moment(blocks, n, dtype=torch.float64):
    return Moment("diagonal", torch.rand(blocks, n, dtype=dtype), 3)


def symmetric(matrices):
    return (matrices + matrices.mT) / 2


def request(moment, damping=0.1):
    return Request(moment, torch.as_tensor(damping))


def inverse_of(moment, damping=0.1):
    (inverse,) = damped_inverses([request(moment, damping)])
    return inverse


def damped(moment, damping):
    """X + damping I [B, n, n] in double precision."""
    matrix = Moment(moment.form, moment.value.double(), moment.count).matrix()
    damping = torch.as_tensor(damping).double().reshape(-1, 1, 1)
    return matrix + damping * torch.eye(moment.size)


def exact(moment, damping):
    """(X + damping I)^-1 [B, n, n] in double precision."""
    system = damped(moment, damping)
    return torch.linalg.solve(system, torch.eye(moment.size).expand(system.shape))


def as_matrix(inverse, moment):
    """The inverse itself: what it makes of the identity."""
    identity = torch.eye(moment.size, dtype=moment.value.dtype)
    return inverse.apply(identity.expand(len(moment.value), -1, -1))


MOMENTS = {
    "matrix": (lambda: matrix_moment(1, 6), DenseInverse),
    "matrices": (lambda: matrix_moment(3, 5), DenseInverse),
    "matrix of one number": (lambda: matrix_moment(1, 1), DenseInverse),
    "rows": (lambda: row_moment(4, 9), ThinInverse),
    "one row": (lambda: row_moment(1, 5), ThinInverse),
    "diagonal": (lambda: diagonal_moment(1, 7), DiagonalInverse),
    "diagonals": (lambda: diagonal_moment(3, 4), DiagonalInverse),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_an_inverse_is_the_dense_solution(name):
    make, kind = MOMENTS[name]
    moment = make()
    inverse = inverse_of(moment)
    assert type(inverse) is kind
    assert_close(as_matrix(inverse, moment), exact(moment, 0.1))


@pytest.mark.parametrize("name", MOMENTS)
def test_it_is_applied_to_rows_in_any_dimensions(name):
    moment = MOMENTS[name][0]()
    rows = torch.randn(len(moment.value), 2, 3, moment.size)
    expected = rows @ exact(moment, 0.1).unsqueeze(1)
    assert_close(inverse_of(moment).apply(rows), expected)
    assert_close(inverse_of(moment).apply(rows[:, 0, 0]), expected[:, 0, 0])
    across = torch.randn(len(moment.value), moment.size, 4).mT  # not contiguous
    assert_close(inverse_of(moment).apply(across), across @ exact(moment, 0.1))


@pytest.mark.parametrize("make", [matrix_moment, diagonal_moment])
def test_each_block_may_have_its_own_damping(make):
    moment, damping = make(3, 4), torch.tensor([0.1, 1.0, 10.0])
    got = as_matrix(inverse_of(moment, damping), moment)
    assert_close(got, exact(moment, damping))


@pytest.mark.parametrize("n", [3, 64, 130, 257])
def test_dense_inverses_are_exactly_symmetric(n):
    matrix = inverse_of(matrix_moment(2, n, torch.float32)).matrix
    assert torch.equal(matrix, matrix.mT)


def test_a_thin_inverse_of_very_many_columns_is_never_dense():
    rows = torch.randn(1, 3, 200_000) / 400  # dense: 320 GB
    moment = Moment("rows", rows, 3)
    vector = torch.randn(1, 2, 200_000)
    solution = inverse_of(moment).apply(vector)
    back = (solution @ rows.mT) @ rows + 0.1 * solution
    assert_close(back, vector)


def test_both_sides_make_the_natural_gradient():
    inputs, outputs = matrix_moment(1, 4), row_moment(3, 5)
    gradient, damping = torch.randn(1, 5, 4), 0.3
    pi = trace_norm_pi(inputs, outputs)
    on_inputs = request(inputs, pi * damping**0.5)
    on_outputs = request(outputs, damping**0.5 / pi)
    right, left = damped_inverses([on_inputs, on_outputs])
    got = left.apply(right.apply(gradient).mT).mT
    G, A = (damped(r.moment_mean, r.damping)[0] for r in (on_outputs, on_inputs))
    expected = torch.linalg.solve(torch.kron(G, A), gradient.flatten())
    assert_close(got.flatten(), expected)


# Rounding.


def hard_rows(num, n, alike):
    """Single-precision rows with a common part, of mean eigenvalue 1."""
    rows = torch.randn(1, num, n).relu() + alike
    rows *= (n / rows.square().sum()).sqrt()
    return Moment("rows", rows.float(), num)


@pytest.mark.parametrize("ratio", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("alike", [0, 0.3])
def test_thin_is_accurate_and_more_so_than_dense(ratio, alike):
    moment = hard_rows(96, 200, alike)
    truth = exact(moment, ratio)
    dense = Moment("matrix", moment.matrix(), moment.count)
    errors = [
        (as_matrix(inverse_of(m, ratio), m) - truth).norm() / truth.norm()
        for m in (moment, dense)
    ]
    assert errors[0] < 1e-3
    assert errors[0] < errors[1]


@pytest.mark.parametrize("ratio", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("alike", [0, 0.3])
def test_thin_in_the_span_of_its_rows_is_about_as_accurate_as_dense(ratio, alike):
    moment = hard_rows(96, 200, alike)
    inside = torch.randn(1, 20, 96).float() @ moment.value
    truth = inside.double() @ exact(moment, ratio)
    dense = Moment("matrix", moment.matrix(), moment.count)
    errors = [
        (inverse_of(m, ratio).apply(inside) - truth).norm() / truth.norm()
        for m in (moment, dense)
    ]
    assert errors[0] < 5 * errors[1]


def nearly_singular(n=60):
    """A matrix and its damping that only double precision finds positive definite."""
    values = torch.logspace(0, -12, n)
    basis = torch.linalg.qr(torch.randn(n, n))[0]
    matrix = symmetric((basis * values) @ basis.T).float()
    lowest = torch.linalg.eigvalsh(matrix.double())[0]
    return Moment("matrix", matrix[None], n), 1e-9 - lowest.clamp(max=0)


def test_what_fails_in_single_precision_is_tried_in_double():
    moment, damping = nearly_singular()
    single = damped(moment, damping).float()
    assert int(torch.linalg.cholesky_ex(single).info)
    inverse = inverse_of(moment, damping)
    assert inverse.matrix.dtype == torch.float32
    truth = exact(moment, damping)
    assert (inverse.matrix - truth).norm() / truth.norm() < 1e-6


def test_thin_ones_are_tried_in_double_too():
    rows = torch.ones(1, 3, 8).float()  # in single precision rows rows^T is singular
    moment, damping = Moment("rows", rows, 3), 1e-8
    inverse = inverse_of(moment, damping)
    truth = exact(moment, damping)
    assert inverse.whitened.dtype == torch.float32
    error = as_matrix(inverse, moment) - truth
    assert error.norm() / truth.norm() < 1e-6


def test_an_inverse_beyond_the_type_gives_none():
    tiny = Moment("matrix", torch.zeros(1, 2, 2).float(), 1)
    assert inverse_of(tiny, torch.tensor(1e-42).float()) is None


@pytest.mark.parametrize("name", ["matrix", "rows", "diagonal"])
def test_zero_has_the_inverse_of_its_damping(name):
    moment = MOMENTS[name][0]()
    zero = Moment(moment.form, torch.zeros_like(moment.value), 1)
    got = as_matrix(inverse_of(zero, 0.5), zero)
    assert_close(got, 2 * torch.eye(zero.size)[None])


# How damping is shared.


def test_pi_is_the_root_of_the_ratio_of_mean_eigenvalues():
    inputs, outputs = matrix_moment(3, 4), matrix_moment(3, 6)
    means = [torch.linalg.eigvalsh(x.value).mean(1) for x in (inputs, outputs)]
    assert_close(trace_norm_pi(inputs, outputs), (means[0] / means[1]).sqrt())


def test_pi_is_the_same_of_every_form():
    rows, diagonal = row_moment(3, 5), diagonal_moment(1, 7)
    plain = [Moment("matrix", x.matrix(), x.count) for x in (rows, diagonal)]
    assert_close(trace_norm_pi(rows, diagonal), trace_norm_pi(*plain))
    assert_close(trace_norm_pi(diagonal, rows), trace_norm_pi(*reversed(plain)))
    assert trace_norm_pi(rows, diagonal).shape == (1,)


@pytest.mark.parametrize("trace", [0, -1, torch.nan, torch.inf])
def test_pi_is_one_where_a_trace_says_nothing(trace):
    odd = Moment("diagonal", torch.tensor([[trace, trace], [1.0, 3.0]]), 1)
    fine = Moment("diagonal", torch.tensor([[1.0], [8.0]]), 1)
    assert trace_norm_pi(odd, fine).tolist() == [1, 0.5]
    assert trace_norm_pi(fine, odd).tolist() == [1, 2]


def test_pi_of_huge_and_tiny_factors_does_not_overflow():
    huge = Moment("diagonal", torch.tensor([[1e36]]).float(), 1)
    tiny = Moment("diagonal", torch.tensor([[1e-36]]).float(), 1)
    assert_close(trace_norm_pi(huge, tiny), torch.tensor([1e36]).float())
