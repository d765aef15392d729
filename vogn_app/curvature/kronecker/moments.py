"""Sums of outer products of rows: the Kronecker factors before they are averaged.

A moment is held in the cheapest form that says everything. Fewer rows than columns stay
rows, so that nothing of size n x n need ever exist; one-hot rows have a diagonal.

Axes: B independent blocks of a layer, R rows, n numbers in a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Form = Literal["matrix", "rows", "diagonal"]

# Products of at most so many columns are formed whole. Halves of them save nothing on a
# CPU, and launches cost more than they save elsewhere.
WHOLE_ON_CPU, WHOLE_ELSEWHERE = 128, 2048


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
        root = factor**0.5 if self.form == "rows" else factor
        return replace(self, value=self.value * root)

    @staticmethod
    def of_rows(rows: Tensor) -> "Moment":
        """The moment of rows [..., n]: kept while they are fewer than n."""
        number = rows.shape[:-1].numel()
        return _of_rows(rows.reshape(1, number, rows.shape[-1]), number)


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
    leading = rows.shape[:-2]
    whole = symmetric_sum([rows.reshape(leading.numel(), *rows.shape[-2:])])
    return whole.view(*leading, *whole.shape[1:])


def symmetric_sum(parts: Iterable[Tensor]) -> Tensor:
    """Sum of outer products of the rows of all parts.

    Args:
        parts: At least one [B, R, n].

    Returns:
        [B, n, n], exactly symmetric.
    """
    result: Tensor | None = None
    for rows in parts:
        whole = WHOLE_ON_CPU if rows.is_cpu else WHOLE_ELSEWHERE
        if result is None:
            blocks, _, size = rows.shape
            result = rows.new_empty(blocks, size, size)
            _add_upper(result, rows, whole, beta=0)
        else:
            _add_upper(result, rows, whole, beta=1)
    assert result is not None
    _mirror(result, WHOLE_ON_CPU if result.is_cpu else WHOLE_ELSEWHERE)
    return result


def _add_upper(result: Tensor, rows: Tensor, whole: int, beta: int) -> None:
    """Result * beta + rows^T rows, but for blocks under the diagonal."""
    half = _half(rows.shape[2], whole)
    if half is None:
        result.baddbmm_(rows.mT, rows, beta=beta)
        return
    before, after = rows[..., :half], rows[..., half:]
    _add_upper(result[:, :half, :half], before, whole, beta)
    result[:, :half, half:].baddbmm_(before.mT, after, beta=beta)
    _add_upper(result[:, half:, half:], after, whole, beta)


def _mirror(result: Tensor, whole: int) -> None:
    """Fill in what `_add_upper` left out."""
    half = _half(result.shape[2], whole)
    if half is None:
        result.copy_((result + result.mT) / 2)  # a product may round either way
        return
    _mirror(result[:, :half, :half], whole)
    result[:, half:, :half] = result[:, :half, half:].mT
    _mirror(result[:, half:, half:], whole)


def _half(size: int, whole: int) -> int | None:
    """Where to halve so many columns, None if they stay whole."""
    return None if size <= whole else -(-size // 32) * 16
