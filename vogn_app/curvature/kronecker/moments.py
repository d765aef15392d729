"""Sums of outer products of rows: the Kronecker factors before they are averaged.

A moment is held in the cheapest form that says everything. Fewer rows than columns stay
rows, so that nothing of size n x n need ever exist; one-hot rows have a diagonal.

Axes: B independent blocks of a layer, R rows, n numbers in a row.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Form = Literal["matrix", "rows", "diagonal"]

# Products with fewer columns are formed whole: halves of them are slower.
SMALLEST_HALVED = 256


@dataclass(frozen=True)
class Moment:
    """Sum of outer products of `count` rows.

    Args:
        form: What `value` holds.
        value: The sum as a "matrix" [B, n, n] or as its "diagonal" [B, n], or "rows"
            [1, R, n] whose sum of outer products it is.
        count: How many rows were summed; a mean divides by it.
    """

    form: Form
    value: Tensor
    count: int

    @property
    def size(self) -> int:
        """Columns of the matrix, n."""
        return self.value.shape[-1]

    def matrix(self) -> Tensor:
        """The sum as a symmetric matrix [B, n, n]."""
        if self.form == "matrix":
            return self.value
        if self.form == "diagonal":
            return torch.diag_embed(self.value)
        return symmetric_product(self.value)

    def __add__(self, other: "Moment") -> "Moment":
        count = self.count + other.count
        if self.form == other.form == "rows":
            return _of_rows(torch.cat((self.value, other.value), 1), count)
        if self.form == other.form:
            return Moment(self.form, self.value + other.value, count)
        return Moment("matrix", self.matrix() + other.matrix(), count)

    def scaled(self, factor: float | Tensor) -> "Moment":
        """The sum times a factor >= 0; the count stays."""
        return replace(
            self, value=self.value * (factor**0.5 if self.form == "rows" else factor)
        )

    @staticmethod
    def of_rows(rows: Tensor) -> "Moment":
        """The moment of rows [..., n]: kept while they are fewer than n."""
        rows = rows.reshape(1, -1, rows.shape[-1])
        return _of_rows(rows, rows.shape[1])


def _of_rows(rows: Tensor, count: int) -> Moment:
    """The moment of rows [1, R, n] that stand for `count` of them."""
    if rows.shape[1] < rows.shape[2]:
        return Moment("rows", rows, count)
    return Moment("matrix", symmetric_product(rows), count)


def symmetric_product(rows: Tensor) -> Tensor:
    """Sum of outer products of rows, exactly symmetric.

    Args:
        rows: [..., R, n].

    Returns:
        rows^T rows [..., n, n].
    """
    product = rows.mT @ rows
    return (product + product.mT) / 2
