"""Inverses and roots of many factors at once, and of factors that fail."""

import pytest
import torch
from torch.testing import assert_close

from vogn_app.curvature.kronecker.damped import Request, Way, alike, solve_damped
from vogn_app.curvature.kronecker.inverses import damped_inverses
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.curvature.kronecker.roots import damped_roots

NAN, INF = torch.nan, torch.inf
BOTH = pytest.mark.parametrize("solve", [damped_inverses, damped_roots])


def matrix(blocks=1, n=5, dtype=torch.float64):
    rows = torch.randn(blocks, 2 * n, n, dtype=dtype)
    return Moment("matrix", rows.mT @ rows / (2 * n), 2 * n)


def rows(num=4, n=9, dtype=torch.float64):
    return Moment("rows", torch.randn(1, num, n, dtype=dtype) / num**0.5, num)


def diagonal(blocks=1, n=7, dtype=torch.float64):
    return Moment("diagonal", torch.rand(blocks, n, dtype=dtype), 3)


def every():
    return [matrix(), matrix(3), matrix(n=1), rows(), rows(1), diagonal(), diagonal(3)]


def requests_of(moments, damping=0.1):
    return [Request(moment, torch.as_tensor(damping)) for moment in moments]


def as_matrix(solution, moment):
    """The inverse itself; a root is given as B^T B."""
    identity = torch.eye(moment.size, dtype=moment.value.dtype)
    found = solution.apply(identity.expand(len(moment.value), -1, -1))
    return found.mT @ found if hasattr(solution, "variances") else found


def exact(moment, damping=0.1):
    """(X + damping I)^-1 [B, n, n] in double precision."""
    system = Moment(moment.form, moment.value.double(), moment.count).matrix()
    return (system + damping * torch.eye(moment.size)).inverse()


@BOTH
def test_many_at_once_are_as_alone(solve):
    moments = every() * 2 + [matrix(n=6, dtype=torch.float32), rows(4, 8)]
    for moment, found in zip(moments, solve(requests_of(moments)), strict=True):
        (alone,) = solve(requests_of([moment]))
        matrices = [as_matrix(each, moment) for each in (found, alone)]
        assert matrices[0].dtype == moment.value.dtype
        assert_close(*matrices)
    assert solve([]) == []


@BOTH
def test_company_changes_no_bit(solve):
    """Or a resumed run, which solves what is there at once, would go another way."""
    moments = [matrix(n=65, dtype=torch.float32) for _ in range(3)]
    first = solve(requests_of(moments))
    again = solve(requests_of(moments[::-1]))[::-1]
    for moment, one, other in zip(moments, first, again, strict=True):
        assert torch.equal(as_matrix(one, moment), as_matrix(other, moment))


def test_a_cpu_treats_values_one_by_one_and_another_device_those_that_are_alike():
    kinds = ["a", "b", "a", "a"]
    assert alike([torch.zeros(2)] * 4, kinds) == [[0], [1], [2], [3]]
    elsewhere = [torch.zeros(2, device="meta")] * 3
    other = torch.zeros(2, device="meta", dtype=torch.float16)
    assert alike([*elsewhere, other], kinds) == [[0, 2], [1], [3]]


@BOTH
def test_factors_are_left_as_they_are(solve):
    moments = every()
    before = [moment.value.clone() for moment in moments]
    solve(requests_of(moments))
    for moment, value in zip(moments, before, strict=True):
        assert torch.equal(moment.value, value)


def of_diagonals(*numbers):
    """A factor with blocks of these diagonals."""
    return Moment("matrix", torch.diag_embed(torch.tensor(numbers)), 1)


BAD = {
    "indefinite": of_diagonals([1.0, -1, 1, 1]),
    "one block indefinite": of_diagonals([1.0] * 4, [-1.0] * 4),
    "singular once damped": of_diagonals([-0.1] * 4),
    "infinite diagonal": of_diagonals([1.0, INF, 1, 1]),
    "nan": Moment("matrix", torch.full((1, 4, 4), NAN), 1),
    "infinite": Moment("matrix", torch.full((1, 4, 4), INF), 1),
    "nan rows": Moment("rows", torch.full((1, 2, 4), NAN), 2),
    "infinite row": Moment("rows", torch.tensor([[[1.0, 2, 3, 4], [INF, 0, 0, 0]]]), 2),
    "nan diagonal": Moment("diagonal", torch.tensor([[1.0, NAN, 1, 1]]), 1),
    "infinite number": Moment("diagonal", torch.tensor([[1.0, INF, 1, 1]]), 1),
    "negative number": Moment("diagonal", torch.tensor([[1.0, -2.0, 1, 1]]), 1),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", BAD)
@BOTH
def test_a_factor_without_solution_gives_none_and_harms_no_other(solve, name, dtype):
    bad = Moment(BAD[name].form, BAD[name].value.to(dtype), 1)
    fine = [matrix(1, 4, dtype), rows(2, 4, dtype), diagonal(1, 4, dtype)]
    found = solve(requests_of([*fine, bad, *fine]))
    assert found[3] is None
    for moment, solution in zip(fine * 2, found[:3] + found[4:], strict=True):
        error = as_matrix(solution, moment) - exact(moment)
        assert error.norm() < (1e-4 if dtype == torch.float32 else 1e-12)


def test_what_silently_is_not_finite_gives_none():
    way = Way(lambda x: torch.full_like(x, NAN), torch.reciprocal, lambda _, x: x)
    assert solve_damped(requests_of([matrix()]), way) == [None]


@BOTH
def test_the_host_reads_once(solve, monkeypatch):
    reads = []
    for name in ("tolist", "item", "__bool__", "__float__", "__int__"):
        original = getattr(torch.Tensor, name)

        def counted(self, original=original):
            reads.append(1)
            return original(self)

        monkeypatch.setattr(torch.Tensor, name, counted)
    assert None not in solve(requests_of(every()))
    assert len(reads) == 1
