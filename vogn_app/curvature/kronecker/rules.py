"""How layers give Kronecker factors, and their gradients as matrices.

Symbols, here and in every file of this folder:

    x   input of a layer, examples first                                [N, ...]
    c   contributions: gradients w.r.t. its output, as the caller scaled them [N, ...]
    a   row of the input, with a homogeneous 1 for the bias, which comes last
    A   sum of a a^T [B, in, in]      G   sum of c c^T [B, out, out]
    M   gradient as a matrix [B, out, in]: weight flattened per group, bias last
    B   independent blocks of a layer: the groups of a convolution, else 1

With sharing "expand" every position or token is a row. With "reduce" a row is the mean
over positions of an example's inputs, and the sum over positions of its gradients.
Everything is computed in at least float32.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ..rules import rule_for
from .moments import Moment, symmetric_product
from .windows import kernel_of, mean_windows, positions_of, window_rows

Sharing = Literal["expand", "reduce"]
Names = frozenset[str]


@dataclass(frozen=True)
class KroneckerRule:
    """How one type of layer gives Kronecker factors.

    Args:
        name: Name of the rule, for people.
        sizes: Maps `(module, wanted)` to (B, out, in); `wanted` holds the local names
            of the parameters to precondition, here and below.
        inputs: Maps `(module, x, wanted, sharing)` to the moment of rows of the input.
        outputs: Maps `(module, c, sharing)` to the moment of rows of contributions,
            whose count is N.
        to_matrix: Maps `(module, {"weight": [..., *shape], "bias": [..., O]})` to
            [..., B, out, in]; either may be missing.
        from_matrix: Maps `(module, matrix, wanted)` back.
        rows: Maps `(module, x, c, wanted)` to rows a [R, in] and c [R, out] with
            M = c^T a, where positions are plain rows of the input.
        seen: Maps `(module, x, c)` to contributions without those that reach no
            parameter; None where all of them do.
    """

    name: str
    sizes: Callable[[nn.Module, Names], tuple[int, int, int]]
    inputs: Callable[[nn.Module, Tensor, Names, Sharing], Moment]
    outputs: Callable[[nn.Module, Tensor, Sharing], Moment]
    to_matrix: Callable[[nn.Module, Mapping[str, Tensor]], Tensor]
    from_matrix: Callable[[nn.Module, Tensor, Names], dict[str, Tensor]]
    rows: Callable[[nn.Module, Tensor, Tensor, Names], tuple[Tensor, Tensor]] | None = (
        None
    )
    seen: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None


def kronecker_rule_for(module: nn.Module) -> KroneckerRule | None:
    """The rule of a module, None when there is none."""
    rule = RULES.get(type(module)) if rule_for(module) is not None else None
    if isinstance(module, _ConvNd) and rule is not None and _is_pointwise(module):
        return replace(rule, rows=_pointwise_rows)
    return rule


def precise(values: Tensor) -> Tensor:
    """The values in at least float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


# Weights that are matrices, one a group, with or without a bias.


def _sizes(module: nn.Module, wanted: Names) -> tuple[int, int, int]:
    weight, blocks = _weight(module), _blocks(module)
    inputs = weight.shape[1:].numel() if "weight" in wanted else 0
    return blocks, len(weight) // blocks, inputs + ("bias" in wanted)


def _to_matrix(module: nn.Module, values: Mapping[str, Tensor]) -> Tensor:
    weight, blocks, parts = _weight(module), _blocks(module), []
    size = (blocks, len(weight) // blocks)
    if "weight" in values:
        leading = values["weight"].shape[: -weight.ndim]
        shape = (*leading, *size, weight.shape[1:].numel())
        parts.append(values["weight"].reshape(shape))
    if "bias" in values:
        parts.append(values["bias"].reshape(*values["bias"].shape[:-1], *size, 1))
    return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


def _from_matrix(module: nn.Module, matrix: Tensor, wanted: Names) -> dict[str, Tensor]:
    weight, leading, result = _weight(module), matrix.shape[:-3], {}
    if "weight" in wanted:
        part = matrix[..., : weight.shape[1:].numel()]
        result["weight"] = part.reshape(*leading, *weight.shape)
    if "bias" in wanted:
        result["bias"] = matrix[..., -1].reshape(*leading, len(weight))
    return result


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _blocks(module: nn.Module) -> int:
    return module.groups if isinstance(module, _ConvNd) else 1


def _with_ones(rows: Tensor, wanted: Names) -> Tensor:
    """Rows [..., n] with what is wanted of them and of the bias's 1."""
    if "bias" not in wanted:
        return rows
    ones = rows.new_ones(*rows.shape[:-1], 1)
    return torch.cat((rows, ones), -1) if "weight" in wanted else ones


# Linear layers: x [N, ..., in], c [N, ..., out].


def _linear_inputs(
    module: nn.Module,  # noqa: ARG001
    x: Tensor,
    wanted: Names,
    sharing: Sharing,
) -> Moment:
    x = precise(x)
    if sharing == "reduce":
        x = x.flatten(1, -2).mean(1) if x.ndim > 2 else x
    return Moment.of_rows(_with_ones(x, wanted))


def _linear_outputs(
    module: nn.Module,  # noqa: ARG001
    c: Tensor,
    sharing: Sharing,
) -> Moment:
    c = precise(c)
    if sharing == "reduce" and c.ndim > 2:
        c = c.flatten(1, -2).sum(1)
    return replace(Moment.of_rows(c), count=len(c))


def _linear_rows(
    module: nn.Module,  # noqa: ARG001
    x: Tensor,
    c: Tensor,
    wanted: Names,
) -> tuple[Tensor, Tensor]:
    a = _with_ones(precise(x).flatten(0, -2), wanted)
    return a, precise(c).flatten(0, -2)


# Convolutions: x [N, C, *S], c [N, O, *T].


def _convolution_inputs(
    module: nn.Module, x: Tensor, wanted: Names, sharing: Sharing
) -> Moment:
    assert isinstance(module, _ConvNd)
    kernel, x = kernel_of(module), precise(x)
    expand = sharing == "expand"
    count = len(x) * (positions_of(kernel, x).numel() if expand else 1)
    if "weight" not in wanted:
        ones = x.new_full((kernel.groups, 1, 1), count)
        return Moment("matrix", ones, count)
    rows = window_rows(kernel, x) if expand else mean_windows(kernel, x)
    return _of_blocks(_with_ones(rows, wanted), count)


def _convolution_outputs(module: nn.Module, c: Tensor, sharing: Sharing) -> Moment:
    c = precise(c).flatten(2)
    if sharing == "reduce":
        c = c.sum(2, keepdim=True)
    columns = c.transpose(0, 1).reshape(_blocks(module), -1, c.shape[2] * len(c))
    return _of_blocks(columns.mT, len(c))


def _of_blocks(rows: Tensor, count: int) -> Moment:
    """The moment of rows [B, R, n]."""
    if len(rows) == 1:
        return replace(Moment.of_rows(rows), count=count)
    return Moment("matrix", symmetric_product(rows), count)


def _is_pointwise(module: _ConvNd) -> bool:
    """Whether a window is one place of the input, of all channels."""
    return module.groups == 1 and set(module.kernel_size) == {1}


def _pointwise_rows(
    module: nn.Module, x: Tensor, c: Tensor, wanted: Names
) -> tuple[Tensor, Tensor]:
    assert isinstance(module, _ConvNd)
    a = window_rows(kernel_of(module), precise(x))[0]
    return _with_ones(a, wanted), precise(c).flatten(2).mT.flatten(0, 1)


# Embeddings: x indices [N, ...], c [N, ..., D]; rows of the input are one-hot.


def _table_sizes(module: nn.Module, wanted: Names) -> tuple[int, int, int]:  # noqa: ARG001
    rows, columns = _weight(module).shape
    return 1, columns, rows


def _table_inputs(
    module: nn.Module,
    x: Tensor,
    wanted: Names,  # noqa: ARG001
    sharing: Sharing,
) -> Moment:
    """Counts of lookups; of "reduce", whose rows overlap, the diagonal alone."""
    assert isinstance(module, nn.Embedding)
    size, indices = module.num_embeddings, x.reshape(len(x), x.shape[1:].numel()).long()
    values, count = module.weight.new_zeros(size), indices.numel()
    values = precise(values)
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


def _table_seen(module: nn.Module, x: Tensor, c: Tensor) -> Tensor:
    assert isinstance(module, nn.Embedding)
    if module.padding_idx is None:
        return c
    return torch.where((x == module.padding_idx)[..., None], 0, c)


def _table_outputs(module: nn.Module, c: Tensor, sharing: Sharing) -> Moment:
    return _linear_outputs(module, c[:, None] if c.ndim == 2 else c, sharing)


def _table_to_matrix(
    module: nn.Module,  # noqa: ARG001
    values: Mapping[str, Tensor],
) -> Tensor:
    return values["weight"].mT.unsqueeze(-3)


def _table_from_matrix(
    module: nn.Module,  # noqa: ARG001
    matrix: Tensor,
    wanted: Names,  # noqa: ARG001
) -> dict[str, Tensor]:
    return {"weight": matrix.squeeze(-3).mT}


LINEAR = KroneckerRule(
    "linear",
    _sizes,
    _linear_inputs,
    _linear_outputs,
    _to_matrix,
    _from_matrix,
    _linear_rows,
)
CONVOLUTION = KroneckerRule(
    "convolution",
    _sizes,
    _convolution_inputs,
    _convolution_outputs,
    _to_matrix,
    _from_matrix,
)
EMBEDDING = KroneckerRule(
    "embedding",
    _table_sizes,
    _table_inputs,
    _table_outputs,
    _table_to_matrix,
    _table_from_matrix,
    seen=_table_seen,
)
RULES: dict[type[nn.Module], KroneckerRule] = {
    nn.Linear: LINEAR,
    nn.Conv1d: CONVOLUTION,
    nn.Conv2d: CONVOLUTION,
    nn.Conv3d: CONVOLUTION,
    nn.Embedding: EMBEDDING,
}
