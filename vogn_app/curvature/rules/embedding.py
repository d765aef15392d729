"""Embeddings: every lookup of a row within an example is summed before squaring.

`x` holds indices [N, ...], `g` is [N, ..., D]; the table has V rows.
"""

import torch
from torch import Tensor, nn

from .rule import Contributions, LayerRule, Sums


def contributions(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """Per-example gradients of the table [N, V, D], dense."""
    assert isinstance(module, nn.Embedding)
    num, rows = len(x), module.num_embeddings
    indices, gradients = _as_tokens(x, g)
    offsets = rows * torch.arange(num, device=x.device)
    tables = _scattered(indices + offsets[:, None], gradients, num * rows)
    tables = tables.view(num, rows, g.shape[-1])
    _without_padding(module, tables.transpose(0, 1))
    return {"weight": tables}


def sums(module: nn.Module, x: Tensor, g: Tensor) -> Sums:
    """Sums of the table [V, D]: memory is that of the lookups, not N tables."""
    assert isinstance(module, nn.Embedding)
    indices, gradients = _as_tokens(x, g)
    segments, rows = _distinct(indices)
    looked_up = _scattered(segments, gradients, rows.numel())
    summed = _scattered(rows, looked_up, module.num_embeddings)
    squares = _scattered(rows, looked_up.square_(), module.num_embeddings)
    for table in (summed, squares):
        _without_padding(module, table)
    return Sums({"weight": summed}, {"weight": squares})


def _distinct(indices: Tensor) -> tuple[Tensor, Tensor]:
    """Number the distinct rows that each example looks up.

    Args:
        indices: Rows of the table [N, L].

    Returns:
        Where each lookup goes [N, L], the same for lookups of one row in one example,
        all below N L; and the row that went there [N L], 0 where none did.
    """
    num, length = indices.shape
    ordered, order = torch.sort(indices, dim=1)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = length * torch.arange(num, device=indices.device)
    ranks = first.cumsum(1) - 1 + starts[:, None]
    segments = torch.empty_like(ranks).scatter_(1, order, ranks)
    rows = indices.new_zeros(num * length)
    rows.scatter_(0, ranks.flatten(), ordered.flatten())  # duplicates agree
    return segments, rows


def _scattered(indices: Tensor, values: Tensor, size: int) -> Tensor:
    """Sum of the values [..., D] that go to each of `size` rows [size, D]."""
    width = values.shape[-1]
    result = values.new_zeros(size, width)
    return result.index_add_(0, indices.reshape(-1), values.reshape(-1, width))


def _as_tokens(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Indices as [N, L] and gradients as [N, L, D]."""
    length = x.shape[1:].numel()
    return x.reshape(len(x), length).long(), g.reshape(len(x), length, g.shape[-1])


def _without_padding(module: nn.Embedding, table: Tensor) -> None:
    """Zero the row [V, ...] of padding, which is constant by definition."""
    if module.padding_idx is not None:
        table[module.padding_idx] = 0


def _accepts(module: nn.Module, x: Tensor) -> bool:
    assert isinstance(module, nn.Embedding)
    plain = not (module.sparse or module.scale_grad_by_freq)
    # A `max_norm` changes the table within the forward pass.
    return x.ndim >= 1 and plain and module.max_norm is None


EMBEDDING = LayerRule("embedding", contributions, _accepts, sums=sums)
