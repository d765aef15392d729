"""Embeddings: rows of the input are one-hot, so that their moment is diagonal.

`x` holds indices [N, ...], `c` is [N, ..., D]; the table has V rows. The matrix of its
gradient is its transpose [1, D, V]. The row of padding is never trained: lookups of it
count as rows that are zero.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..evidence import promoted
from .moments import Moment


def sizes(
    module: nn.Module,
    wanted: frozenset[str],  # noqa: ARG001
) -> tuple[int, int, int]:
    """One block, D, V."""
    assert isinstance(module, nn.Embedding)
    rows, columns = module.weight.shape
    return 1, columns, rows


def inputs(
    module: nn.Module,
    x: Tensor,
    wanted: frozenset[str],  # noqa: ARG001
    sharing: str,
) -> Moment:
    """Counts of lookups; of "reduce", whose rows overlap, the diagonal alone."""
    assert isinstance(module, nn.Embedding)
    size, indices = module.num_embeddings, x.reshape(len(x), x.shape[1:].numel()).long()
    values = promoted(module.weight.new_zeros(size, device=x.device))
    count = indices.numel()
    if sharing == "expand":
        values += torch.bincount(indices.flatten(), minlength=size)
    else:
        count = len(x)
        own = indices + size * torch.arange(count, device=x.device)[:, None]
        found, times = torch.unique(own, return_counts=True)
        shares = times.to(values.dtype) / max(1, indices.shape[1])
        values.index_add_(0, found % size, shares.square())
    if module.padding_idx is not None:
        values[module.padding_idx] = 0
    return Moment("diagonal", values[None], count)


def seen(module: nn.Module, x: Tensor, c: Tensor) -> Tensor:
    """Contributions without those to the row of padding."""
    assert isinstance(module, nn.Embedding)
    if module.padding_idx is None:
        return c
    return torch.where((x == module.padding_idx)[..., None], 0, c)


def to_matrix(
    module: nn.Module,  # noqa: ARG001
    values: Mapping[str, Tensor],
) -> Tensor:
    """The table [..., V, D] as [..., 1, D, V]."""
    return values["weight"].mT.unsqueeze(-3)


def from_matrix(
    module: nn.Module,  # noqa: ARG001
    matrix: Tensor,
    wanted: frozenset[str],  # noqa: ARG001
) -> dict[str, Tensor]:
    """The inverse of `to_matrix`."""
    return {"weight": matrix.squeeze(-3).mT}
