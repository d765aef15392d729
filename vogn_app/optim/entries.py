"""How statistics and their inverses lie in what the ranks send each other."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..curvature.kronecker.blocks import DIAGONAL, INPUTS, UNIT, Block
from ..curvature.kronecker.eigen import Eigenbasis
from ..curvature.kronecker.inverses import DenseInverse, DiagonalInverse, ThinInverse
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.operators import (
    Inversion,
    Operator,
    UnitInverse,
    has_two_sides,
)
from ..distributed import Entry


def is_diagonal(block: Block, side: str) -> bool:
    """Whether a statistic is a diagonal: squares, or what an embedding looks up."""
    table = side == INPUTS and block.kind == "kronecker (embedding)"
    return table or side == DIAGONAL


def entry_of(block: Block, side: str) -> Entry:
    """Shape of a statistic."""
    count, size = block.sizes[side]
    if side == UNIT:
        return Entry((size * (size + 1) // 2, count))
    if side == DIAGONAL:
        return Entry((1, count))
    if is_diagonal(block, side):
        return Entry((count, size))
    return Entry((count, size, size), symmetric=True)


def moment_of(block: Block, side: str, value: Tensor) -> Moment:
    """A statistic of a value in that shape."""
    symmetric = entry_of(block, side).symmetric
    return Moment("matrix" if symmetric else "diagonal", value, 1)


def inverse_entries(block: Block, side: str, inversion: Inversion) -> list[Entry]:
    """Shapes of what is sent of a statistic's inverse."""
    entry = entry_of(block, side)
    if inversion == "cholesky" or not has_two_sides(block):
        return [entry]
    values = Entry((*entry.shape[:1], entry.shape[-1]))
    return [values, Entry(entry.shape)] if entry.symmetric else [values]


def tensors_of(operator: Operator | None) -> list[Tensor]:
    """What has to be sent of an inverse."""
    if isinstance(operator, Eigenbasis):
        values, vectors = operator.values, operator.vectors
        return [values] if vectors is None else [values, vectors]
    if isinstance(operator, DenseInverse):
        return [operator.matrix]
    if isinstance(operator, DiagonalInverse):
        return [operator.vector]
    if isinstance(operator, ThinInverse):  # of a state that one process has left
        whole = torch.eye(operator.whitened.shape[-1]).to(operator.whitened)
        return [operator.apply(whole.unsqueeze(0))]
    assert isinstance(operator, UnitInverse)
    return [operator.entries]


def inverse_from(
    block: Block, side: str, inversion: Inversion, tensors: Iterator[Tensor]
) -> Operator:
    """An inverse, of tensors in the shapes of `inverse_entries`."""
    first, *rest = [next(tensors) for _ in inverse_entries(block, side, inversion)]
    if inversion != "cholesky" and has_two_sides(block):
        return Eigenbasis(first, rest[0] if rest else None)
    if side == UNIT:
        return UnitInverse(first)
    return DenseInverse(first) if first.ndim == 3 else DiagonalInverse(first)
