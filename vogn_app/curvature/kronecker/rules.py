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

from ..evidence import promoted
from ..rules import rule_for
from ..rules.convolution import kernel_of
from ..rules.correlation import Kernel
from . import embeddings
from .autocorrelation import autocorrelation_products, prefers_autocorrelation
from .homogeneous import bordered, moment_of_ones, moment_of_rows, with_ones
from .moments import Moment
from .windows import positions_of, summed_windows, window_products, window_rows

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


# Linear layers: x [N, ..., in], c [N, ..., out].


def _linear_inputs(
    module: nn.Module,  # noqa: ARG001
    x: Tensor,
    wanted: Names,
    sharing: Sharing,
) -> Moment:
    x = promoted(x)
    if sharing == "reduce" and x.ndim > 2:
        x = x.flatten(1, -2).sum(1) / max(1, x.shape[1:-1].numel())
    count = x.shape[:-1].numel()
    if "weight" not in wanted:
        return moment_of_ones(x, 1, count)
    return moment_of_rows(x.reshape(1, count, x.shape[-1]), wanted, count)


def _linear_outputs(
    module: nn.Module,  # noqa: ARG001
    c: Tensor,
    sharing: Sharing,
) -> Moment:
    c = promoted(c)
    if sharing == "reduce" and c.ndim > 2:
        c = c.flatten(1, -2).sum(1)
    return replace(Moment.of_rows(c), count=len(c))


def _linear_rows(
    module: nn.Module,  # noqa: ARG001
    x: Tensor,
    c: Tensor,
    wanted: Names,
) -> tuple[Tensor, Tensor]:
    a = with_ones(promoted(x).flatten(0, -2), wanted)
    return a, promoted(c).flatten(0, -2)


# Convolutions: x [N, C, *S], c [N, O, *T].


def _convolution_inputs(
    module: nn.Module, x: Tensor, wanted: Names, sharing: Sharing
) -> Moment:
    assert isinstance(module, _ConvNd)
    kernel, x = kernel_of(module), promoted(x)
    positions = positions_of(kernel, x).numel()
    count = len(x) if sharing == "reduce" else len(x) * positions
    if "weight" not in wanted:
        return moment_of_ones(x, kernel.groups, count)
    if sharing == "reduce":
        means = summed_windows(kernel, x) / max(1, positions)
        return moment_of_rows(means, wanted, count)
    if kernel.groups == 1 and count < kernel.shape[1:].numel():
        return moment_of_rows(window_rows(kernel, x), wanted, count)
    product = _window_products(kernel, x)
    if "bias" in wanted:
        sums = summed_windows(kernel, x.sum(0, keepdim=True))
        product = bordered(product, sums[:, 0], count)
    return Moment("matrix", product, count)


def _window_products(kernel: Kernel, x: Tensor) -> Tensor:
    """Sum of outer products of all windows [B, n, n], in the cheaper way."""
    if prefers_autocorrelation(kernel, x):
        return autocorrelation_products(kernel, x)
    return window_products(kernel, x)


def _convolution_outputs(module: nn.Module, c: Tensor, sharing: Sharing) -> Moment:
    c, blocks = promoted(c).flatten(2), _blocks(module)
    if sharing == "reduce":
        c = c.sum(2, keepdim=True)
    num, outputs, length = c.shape
    if blocks == 1 and num * length < outputs:
        return replace(Moment.of_rows(c.mT), count=num)
    pointwise = Kernel(
        torch.Size((outputs, outputs // blocks, 1)), (1,), (1,), blocks, (0, 0)
    )
    return Moment("matrix", window_products(pointwise, c), num)


def _is_pointwise(module: _ConvNd) -> bool:
    """Whether a window is one place of the input, of all channels."""
    return module.groups == 1 and set(module.kernel_size) == {1}


def _pointwise_rows(
    module: nn.Module, x: Tensor, c: Tensor, wanted: Names
) -> tuple[Tensor, Tensor]:
    assert isinstance(module, _ConvNd)
    a = window_rows(kernel_of(module), promoted(x))[0]
    return with_ones(a, wanted), promoted(c).flatten(2).mT.flatten(0, 1)


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
    embeddings.sizes,
    embeddings.inputs,
    _linear_outputs,
    embeddings.to_matrix,
    embeddings.from_matrix,
    seen=embeddings.seen,
)
RULES: dict[type[nn.Module], KroneckerRule] = {
    nn.Linear: LINEAR,
    nn.Conv1d: CONVOLUTION,
    nn.Conv2d: CONVOLUTION,
    nn.Conv3d: CONVOLUTION,
    nn.Embedding: EMBEDDING,
}
