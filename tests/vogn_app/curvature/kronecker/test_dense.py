"""The whole Fisher matrix and its diagonal against dense solves."""

import pytest
import torch
from torch.testing import assert_close

from vogn_app.curvature.kronecker.dense import DenseFisher, joined, parted

DAMPING = 0.1


def dense_solution(contributions, vector, damping=DAMPING):
    contributions, vector = contributions.double(), vector.double()
    system = contributions.T @ contributions + damping * torch.eye(len(vector))
    return torch.linalg.solve(system, vector)


@pytest.mark.parametrize("num", [1, 4, 7, 20])
def test_the_whole_is_solved_with_few_examples_and_many(num):
    contributions, vector = torch.randn(num, 7), torch.randn(7)
    fisher = DenseFisher.of(contributions)
    assert fisher.moment.form == ("rows" if num < 7 else "matrix")
    expected = dense_solution(contributions, vector)
    assert_close(fisher.solve(vector, DAMPING), expected)
    assert_close(fisher.solve(vector, torch.tensor(DAMPING)), expected)


def test_the_diagonal_is_solved_a_number_at_a_time():
    contributions, vector = torch.randn(4, 7), torch.randn(7)
    got = DenseFisher.diagonal_of(contributions).solve(vector, DAMPING)
    assert_close(got, vector / (contributions.square().sum(0) + DAMPING))


def test_several_vectors_are_solved_at_once():
    contributions, vectors = torch.randn(4, 7), torch.randn(2, 3, 7)
    got = DenseFisher.of(contributions).solve(vectors, DAMPING)
    for one, vector in zip(got.view(6, 7), vectors.view(6, 7), strict=True):
        assert_close(one, dense_solution(contributions, vector))


@pytest.mark.parametrize("sizes", [(2, 3), (3, 9), (9, 3), (9, 8), (3, 3, 3)])
@pytest.mark.parametrize("of", [DenseFisher.of, DenseFisher.diagonal_of])
def test_chunks_add_up(sizes, of):
    contributions, vector = torch.randn(sum(sizes), 7), torch.randn(7)
    first, *rest = map(of, contributions.split(sizes))
    fisher = sum(rest, start=first)
    assert fisher.moment.count == sum(sizes)
    whole = of(contributions)
    assert_close(fisher.solve(vector, DAMPING), whole.solve(vector, DAMPING))


@pytest.mark.parametrize("num", [4, 20])
def test_a_sum_is_scaled_to_the_mean(num):
    contributions, vector = torch.randn(num, 7), torch.randn(7)
    got = DenseFisher.of(contributions).scaled(num).solve(vector, DAMPING)
    assert_close(got, dense_solution(contributions * num**0.5, vector))


def test_as_many_parameters_as_you_like_with_few_examples():
    contributions, vector = torch.randn(3, 200_000) / 400, torch.randn(200_000)
    solution = DenseFisher.of(contributions).solve(vector, DAMPING)
    back = contributions.T @ (contributions @ solution) + DAMPING * solution
    assert_close(back, vector)


@pytest.mark.parametrize("num", [3, 20])
def test_what_fails_in_single_precision_is_tried_in_double(num):
    contributions, vector = torch.ones(num, 7).float(), torch.ones(7).float()
    got = DenseFisher.of(contributions).solve(vector, 1e-9)
    assert got.dtype == torch.float32
    size = dense_solution(contributions, vector, 1e-9).norm()
    # The vector lies in the span, where single precision leaves rounding / damping.
    assert (got - size / 7**0.5).norm() < 1e-6 / 1e-9


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("num", [3, 20])
@pytest.mark.parametrize("of", [DenseFisher.of, DenseFisher.diagonal_of])
def test_what_is_not_finite_has_no_solution(bad, num, of):
    contributions = torch.randn(num, 7)
    contributions[1, 2] = bad
    assert of(contributions).solve(torch.randn(7), DAMPING) is None


def test_parameters_are_joined_and_parted():
    like = {"a": torch.randn(2, 3), "b": torch.randn(()), "c": torch.randn(4)}
    vector = joined(like)
    assert vector.shape == (11,)
    again = parted(vector, like)
    assert list(again) == list(like)
    assert all(torch.equal(again[name], like[name]) for name in like)


def test_contributions_are_joined_an_example():
    shapes = {"a": (2, 3), "b": (), "c": (4,)}
    contributions = {name: torch.randn(5, *shape) for name, shape in shapes.items()}
    rows = joined(contributions, leading=1)
    assert rows.shape == (5, 11)
    like = {name: value[0] for name, value in contributions.items()}
    again = parted(rows, like)
    assert all(torch.equal(again[name], contributions[name]) for name in shapes)
