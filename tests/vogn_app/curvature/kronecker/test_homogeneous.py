"""Moments of rows with a 1 at their end."""

import pytest
import torch

from vogn_app.curvature.kronecker.homogeneous import (
    bordered,
    moment_of_ones,
    moment_of_rows,
    with_ones,
)
from vogn_app.curvature.kronecker.moments import symmetric_product

BOTH, WEIGHT, BIAS = (
    frozenset({"weight", "bias"}),
    frozenset({"weight"}),
    frozenset({"bias"}),
)


def test_ones_come_last():
    rows = torch.tensor([[2.0, 3.0]])
    assert with_ones(rows, BOTH).tolist() == [[2, 3, 1]]
    assert with_ones(rows, WEIGHT).tolist() == [[2, 3]]
    assert with_ones(rows, BIAS).tolist() == [[1]]


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_border_is_what_the_ones_add(blocks):
    rows = torch.randn(blocks, 7, 5)
    found = bordered(symmetric_product(rows), rows.sum(1), 7)
    expected = symmetric_product(with_ones(rows, BOTH))
    torch.testing.assert_close(found, expected)
    assert torch.equal(found, found.mT)


@pytest.mark.parametrize("wanted", [BOTH, WEIGHT])
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("number", [1, 4, 5, 6])
def test_moments_are_of_rows_with_ones(wanted, blocks, number):
    rows = torch.randn(blocks, number, 5)
    moment, complete = moment_of_rows(rows, wanted, 9), with_ones(rows, wanted)
    few = blocks == 1 and number < complete.shape[-1]
    assert (moment.form, moment.count) == ("rows" if few else "matrix", 9)
    torch.testing.assert_close(moment.matrix(), symmetric_product(complete))


def test_a_bias_alone_sees_ones():
    moment = moment_of_ones(torch.randn(4), 3, 7)
    assert moment.value.tolist() == [[[7]]] * 3
    assert moment.count == 7
