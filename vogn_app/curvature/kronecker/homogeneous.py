"""Moments of rows with a homogeneous 1 for the bias, which comes last.

Axes: B independent blocks of a layer, R rows, n numbers in a row.
"""

from dataclasses import replace

import torch
from torch import Tensor

from .moments import Moment, symmetric_product


def with_ones(rows: Tensor, wanted: frozenset[str]) -> Tensor:
    """Rows [..., n] with what is wanted of them and of the bias's 1."""
    if "bias" not in wanted:
        return rows
    ones = rows.new_ones(*rows.shape[:-1], 1)
    return torch.cat((rows, ones), -1) if "weight" in wanted else ones


def moment_of_rows(rows: Tensor, wanted: frozenset[str], count: int) -> Moment:
    """The moment of rows [B, R, n], with what is wanted of them and of the bias's 1."""
    blocks, number, size = rows.shape
    if blocks == 1 and number < size + ("bias" in wanted):
        return replace(Moment.of_rows(with_ones(rows, wanted)), count=count)
    product = symmetric_product(rows)
    if "bias" in wanted:
        product = bordered(product, rows.sum(1), number)
    return Moment("matrix", product, count)


def bordered(product: Tensor, sums: Tensor, number: int) -> Tensor:
    """What rows with a 1 at their end give, from what they give without it.

    Args:
        product: Sum of outer products of the rows [B, n, n].
        sums: Their sum [B, n].
        number: How many they are.

    Returns:
        The sum of outer products [B, n + 1, n + 1].
    """
    blocks, size = sums.shape
    result = product.new_empty(blocks, size + 1, size + 1)
    result[:, :size, :size] = product
    result[:, :size, size] = result[:, size, :size] = sums
    result[:, size, size] = number
    return result


def moment_of_ones(like: Tensor, blocks: int, count: int) -> Moment:
    """The moment of what a bias sees, whose weight is not wanted."""
    return Moment("matrix", like.new_full((blocks, 1, 1), count), count)
