"""Moments against products written out."""

import pytest
import torch

from vogn_app.curvature.kronecker import moments
from vogn_app.curvature.kronecker.moments import (
    Moment,
    symmetric_product,
    symmetric_sum,
)

SIZES = [1, 2, 127, 128, 129, 144, 145, 290, 577]


def outer_products(rows):
    return torch.stack([torch.outer(row, row) for row in rows]).sum(0)


def test_product_is_the_sum_of_outer_products():
    rows = torch.randn(7, 5)
    torch.testing.assert_close(symmetric_product(rows), outer_products(rows))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [0, 1, 9])
def test_products_of_every_size_are_exact(size, number):
    rows = torch.randn(number, size)
    torch.testing.assert_close(symmetric_product(rows), rows.T @ rows)


@pytest.mark.parametrize("size", SIZES)
def test_products_are_exactly_symmetric(size):
    rows = torch.randn(33, size, dtype=torch.float32)
    product = symmetric_product(rows)
    assert torch.equal(product, product.T)


def test_products_of_transposed_rows_are_exact():
    columns = torch.randn(3, 290, 40)
    product = symmetric_product(columns.mT)
    torch.testing.assert_close(product, columns @ columns.mT)


def test_products_keep_leading_dimensions():
    rows = torch.randn(2, 3, 4, 150)
    torch.testing.assert_close(symmetric_product(rows), rows.mT @ rows)
    assert symmetric_product(rows[:0]).shape == (0, 3, 150, 150)


@pytest.mark.parametrize("whole", [16, 40, 100])
def test_where_halving_ends_changes_nothing(whole, monkeypatch):
    monkeypatch.setattr(moments, "WHOLE_ON_CPU", whole)
    rows = torch.randn(20, 100)
    torch.testing.assert_close(symmetric_product(rows), rows.T @ rows)


def test_parts_add_up():
    rows = torch.randn(2, 50, 150)
    parts = rows.split(13, 1)
    torch.testing.assert_close(symmetric_sum(parts), symmetric_product(rows))


def test_a_sum_ignores_what_memory_held():
    for _ in range(3):
        torch.full((1, 150, 150), torch.nan)
        assert symmetric_sum([torch.ones(1, 2, 150)]).eq(2).all()


def test_few_rows_stay_rows():
    few = Moment.of_rows(torch.randn(2, 2, 5))
    assert (few.form, few.value.shape, few.count, few.size) == ("rows", (1, 4, 5), 4, 5)
    torch.testing.assert_close(few.matrix()[0], outer_products(few.value[0]))


def test_many_rows_become_a_matrix():
    rows = torch.randn(5, 5)
    many = Moment.of_rows(rows)
    assert (many.form, many.value.shape, many.count) == ("matrix", (1, 5, 5), 5)
    torch.testing.assert_close(many.matrix()[0], outer_products(rows))


def test_no_rows_are_a_moment_of_nothing():
    nothing = Moment.of_rows(torch.randn(0, 3, 5))
    assert nothing.count == 0
    assert torch.equal(nothing.matrix(), torch.zeros(1, 5, 5))


def test_a_diagonal_is_a_matrix_with_zeros():
    diagonal = Moment("diagonal", torch.tensor([[1.0, 2.0]]), 3)
    assert torch.equal(diagonal.matrix(), torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]))
    assert diagonal.size == 2


def example(form):
    if form == "rows":
        return Moment.of_rows(torch.randn(2, 6))
    if form == "matrix":
        return Moment.of_rows(torch.randn(9, 6))
    return Moment("diagonal", torch.rand(1, 6), 4)


@pytest.mark.parametrize("one", ["rows", "matrix", "diagonal"])
@pytest.mark.parametrize("other", ["rows", "matrix", "diagonal"])
def test_moments_of_all_forms_add_up(one, other):
    one, other = example(one), example(other)
    both = one + other
    assert both.count == one.count + other.count
    assert both.form == (one.form if one.form == other.form else "matrix")
    torch.testing.assert_close(both.matrix(), one.matrix() + other.matrix())


def test_rows_that_become_many_become_a_matrix():
    parts = torch.randn(9, 6).split(3)
    first, second, third = (Moment.of_rows(part) for part in parts)
    assert (first + second).form == "matrix"
    assert (first + second + third).count == 9
    whole = Moment.of_rows(torch.cat(parts))
    torch.testing.assert_close((first + second + third).matrix(), whole.matrix())


@pytest.mark.parametrize("form", ["rows", "matrix", "diagonal"])
@pytest.mark.parametrize("factor", [0.0, 0.3, torch.tensor(2.5)])
def test_a_scaled_moment_is_that_sum_times_the_factor(form, factor):
    moment = example(form)
    scaled = moment.scaled(factor)
    assert (scaled.form, scaled.count) == (form, moment.count)
    torch.testing.assert_close(scaled.matrix(), moment.matrix() * factor)
