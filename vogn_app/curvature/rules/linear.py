"""Linear layers: outer products, summed over the tokens of an example.

`x` is [N, ..., in], `g` is [N, ..., out]; whatever is between counts as tokens.
"""

import math

import torch
from torch import Tensor, nn

from .reductions import token_sums
from .rule import Contributions, LayerRule, Sums


def contributions(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """Per-example gradients of weight [N, out, in] and bias [N, out]."""
    tokens, gradients = _as_tokens(x), _as_tokens(g)
    result = {"weight": torch.bmm(gradients.transpose(1, 2), tokens)}
    if module.bias is not None:
        result["bias"] = gradients.sum(1)
    return result


def sums(module: nn.Module, x: Tensor, g: Tensor) -> Sums:
    """Sums of weight [out, in] and bias [out], from one product per example."""
    tokens, gradients = _as_tokens(x), _as_tokens(g)
    summed, squares = token_sums(tokens, gradients)
    result = Sums({"weight": summed}, {"weight": squares})
    if module.bias is not None:
        each = g if g.ndim == 2 else gradients.sum(1)
        result.summed["bias"] = each.sum(0)
        result.squares["bias"] = each.square().sum(0)
    return result


def gradients(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """Gradients of weight [out, in] and bias [out], nothing squared."""
    inputs, rows = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    result = {"weight": rows.T @ inputs}
    if module.bias is not None:
        result["bias"] = rows.sum(0)
    return result


def input_gradient(
    module: nn.Module,  # noqa: ARG001
    x: Tensor,  # noqa: ARG001
    g: Tensor,
    weight: Tensor,
) -> Tensor:
    """Gradient w.r.t. the input [N, ..., in]."""
    return g @ weight


def _as_tokens(x: Tensor) -> Tensor:
    """[N, ..., D] as [N, T, D]."""
    if x.ndim == 2:
        return x.unsqueeze(1)
    return x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])


def _accepts(module: nn.Module, x: Tensor) -> bool:  # noqa: ARG001
    return x.ndim >= 2


LINEAR = LayerRule("linear", contributions, _accepts, sums, input_gradient, gradients)
