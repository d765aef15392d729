"""Roots of damped inverses against dense inverses in double precision."""

import pytest
import torch

from vogn_app.curvature.kronecker.blocks import INPUTS, UNIT
from vogn_app.curvature.kronecker.damped import Request
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.curvature.kronecker.roots import damped_roots, roots_of, unit_root


def matrix(blocks=1, n=5, rows=9, dtype=torch.float64):
    v = torch.randn(blocks, rows, n, dtype=dtype)
    return Moment("matrix", v.mT @ v, 1)


def rows(num=3, n=7, dtype=torch.float64):
    return Moment("rows", torch.randn(1, num, n, dtype=dtype), 1)


def diagonal(blocks=2, n=4):
    return Moment("diagonal", torch.rand(blocks, n), 1)


MOMENTS = {
    "matrix": matrix,
    "matrices": lambda: matrix(3),
    "without rank": lambda: matrix(rows=2),
    "zero": lambda: Moment("matrix", torch.zeros(1, 3, 3), 1),
    "rows": rows,
    "one row": lambda: rows(1),
    "rows of zero": lambda: Moment("rows", torch.zeros(1, 2, 5), 1),
    "diagonal": diagonal,
}
EVERY = pytest.mark.parametrize("kind", MOMENTS)


def request(moment, damping=0.3):
    return Request(moment, torch.as_tensor(damping))


def damped(each):
    """X + damping I."""
    value = each.moment_mean.matrix().double()
    size = value.shape[-1]
    return value + each.damping.double().reshape(-1, 1, 1) * torch.eye(size)


def dense(root, blocks, size, dtype=torch.float64):
    """B itself: what it makes of the identity."""
    return root.apply(torch.eye(size, dtype=dtype).expand(blocks, size, size))


@EVERY
def test_a_root_squared_is_the_inverse(kind):
    each = request(MOMENTS[kind]())
    (root,) = damped_roots([each])
    truth = damped(each).inverse()
    b = dense(root, len(truth), truth.shape[-1])
    torch.testing.assert_close(b.mT @ b, truth, rtol=1e-11, atol=1e-12)


@EVERY
def test_variances_and_determinant_are_those_of_the_dense_matrix(kind):
    each = request(MOMENTS[kind]())
    (root,) = damped_roots([each])
    system = damped(each)
    truth = system.inverse().diagonal(0, 1, 2)
    torch.testing.assert_close(root.variances(), truth, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        root.log_determinant(), system.logdet(), atol=1e-10, rtol=0
    )


def test_a_damping_for_each_block():
    each = request(matrix(3), [0.1, 1.0, 10.0])
    (root,) = damped_roots([each])
    b = dense(root, 3, 5)
    torch.testing.assert_close(b.mT @ b, damped(each).inverse(), rtol=1e-11, atol=1e-12)


def test_any_dimensions_between_blocks_and_columns():
    (root,) = damped_roots([request(matrix(2))])
    noise = torch.randn(2, 3, 4, 5)
    expected = torch.stack([root.apply(noise[:, i]) for i in range(3)], 1)
    torch.testing.assert_close(root.apply(noise), expected)


@pytest.mark.parametrize("num", [1, 10, 60])
def test_thin_roots_in_single_precision_are_as_accurate_as_their_condition(num):
    """Rounding of 1e-7 times a condition of up to 200 / 1e-2 leaves 2e-3."""
    moment = rows(num, 200, torch.float32)
    moment = moment.scaled(1 / num)
    damping = float(moment.value.square().sum() / 200) * 1e-2
    each = request(moment, damping)
    (root,) = damped_roots([each])
    b = dense(root, 1, 200, torch.float32)
    assert b.dtype == torch.float32
    b, truth = b.double(), damped(each).inverse()
    assert torch.linalg.matrix_norm(b.mT @ b - truth, 2) < 2e-3 / damping


def test_what_fails_in_single_precision_is_tried_again_in_double():
    value = torch.full((1, 3, 3), 1e8, dtype=torch.float32)
    failing, fine = request(Moment("matrix", value, 1), 1e-2), request(
        matrix(n=3, dtype=torch.float32)
    )  # fmt: skip
    root, other = damped_roots([failing, fine])
    assert other is not None
    truth = damped(failing).inverse().diagonal(0, 1, 2)
    assert root.variances().dtype == torch.float32
    torch.testing.assert_close(root.variances().double(), truth, rtol=1e-4, atol=0)


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_roots_of_norm_layers_are_those_of_their_blocks(shape):
    w, b = torch.randn(2, 5, *shape)
    w[:, ..., 0] = 0  # a channel that does nothing
    entries = torch.stack([(w * w).sum(0), (w * b).sum(0), (b * b).sum(0)])
    root = unit_root(Moment("diagonal", entries, 5), torch.tensor([0.2]))
    ww, wb, bb = entries.flatten(1)
    system = torch.zeros(len(ww), 2, 2)
    system[:, 0, 0], system[:, 1, 1] = ww + 0.2, bb + 0.2
    system[:, 0, 1] = system[:, 1, 0] = wb
    n = len(ww)
    whole = torch.zeros(2 * n, 2 * n)
    for i in range(n):
        index = torch.tensor([i, n + i])
        whole[index[:, None], index] = system[i]
    found = root.apply(torch.eye(2 * n)[None])[0]
    torch.testing.assert_close(found.T @ found, whole.inverse(), rtol=1e-11, atol=1e-12)
    variances = whole.inverse().diagonal()[None]
    torch.testing.assert_close(root.variances(), variances, rtol=1e-11, atol=0)
    torch.testing.assert_close(root.log_determinant()[0], whole.logdet())


def test_norm_layers_with_one_parameter_have_blocks_of_one_number():
    entries = torch.rand(1, 6)
    root = unit_root(Moment("diagonal", entries, 5), torch.tensor([0.2]))
    expected = (entries + 0.2).reciprocal()
    torch.testing.assert_close(root.variances(), expected)
    torch.testing.assert_close(
        root.apply(torch.ones(1, 3, 6)), expected.sqrt().expand(1, 3, 6)
    )
    torch.testing.assert_close(root.log_determinant()[0], (entries + 0.2).log().sum())


def test_roots_by_statistic_know_norm_layers_by_their_side():
    w, b = torch.randn(2, 5, 4)
    entries = torch.stack([(w * w).sum(0), (w * b).sum(0), (b * b).sum(0)])
    norm, map_ = Moment("diagonal", entries, 5), matrix()
    found = roots_of({
        ("n", UNIT): request(norm, [0.2]), ("l", INPUTS): request(map_),
    })  # fmt: skip
    assert found["n", UNIT].variances().shape == (1, 8)
    (alone,) = damped_roots([request(map_)])
    assert torch.equal(found["l", INPUTS].triangle, alone.triangle)
