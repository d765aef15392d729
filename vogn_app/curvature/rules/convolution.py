"""Convolutions of one to three dimensions, transposed ones included.

`x` is [N, C, *places], `g` is [N, O, *positions]. The kernel of a plain convolution
slides over the padded input; that of a transposed one, whose input and output change
places, over the output gradient. Weights are [O, C / groups, *taps] and
[C, O / groups, *taps]: what slides comes second either way.
"""

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from . import ways
from .correlation import Kernel
from .reductions import Total
from .rule import Contributions, LayerRule, Sums


def contributions(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """Per-example gradients of weight `[N, *shape]` and bias [N, O]."""
    result = {"weight": ways.contributions(*_correlation(module, x, g))}
    if module.bias is not None:
        result["bias"] = g.flatten(2).sum(2)
    return result


def sums(module: nn.Module, x: Tensor, g: Tensor) -> Sums:
    """Sums of weight and bias; contributions exist a few at a time, if at all."""
    summed, squares = ways.correlation_sums(*_correlation(module, x, g))
    result = Sums({"weight": summed}, {"weight": squares})
    if module.bias is not None:
        bias = Total()
        bias.add(g.flatten(2).sum(2))
        result.summed["bias"], result.squares["bias"] = bias.summed, bias.squares
    return result


def input_gradient(module: nn.Module, x: Tensor, g: Tensor, weight: Tensor) -> Tensor:
    """Gradient w.r.t. the input [N, C, *places]."""
    assert isinstance(module, _ConvNd)
    kernel, signal, at = _correlation(module, x, g)
    padded, options = _as_convolution(kernel, signal)
    if isinstance(module, _ConvTransposeNd):
        return torch.convolution(padded, weight, None, *options)
    gradient: Tensor = torch.ops.aten.convolution_backward(
        at, padded, weight, None, *options, (True, False, False)
    )[0]
    return gradient if padded is signal else _before_padding(kernel, x, gradient)


def gradients(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """Gradients of weight `[*shape]` and bias [O], nothing squared."""
    kernel, signal, at = _correlation(module, x, g)
    padded, options = _as_convolution(kernel, signal)
    weight = at.new_empty(1).expand(kernel.shape)  # only its shape is used
    own = module.bias is not None and not isinstance(module, _ConvTransposeNd)
    sizes, wanted = [at.shape[1]] if own else None, (False, True, own)
    found = torch.ops.aten.convolution_backward(
        at, padded, weight, sizes, *options, wanted
    )
    result = {"weight": found[1]}
    if module.bias is not None:
        result["bias"] = found[2] if own else g.sum((0, *range(2, g.ndim)))
    return result


def _as_convolution(kernel: Kernel, signal: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
    """The signal, padded if need be, and what follows the bias among arguments."""
    padding, zeros = kernel.plain_padding, (0,) * len(kernel.stride)
    if padding is None:
        signal, padding = kernel.padded(signal), zeros
    return signal, (
        kernel.stride, padding, kernel.dilation, False, zeros, kernel.groups
    )  # fmt: skip


def _before_padding(kernel: Kernel, x: Tensor, gradient: Tensor) -> Tensor:
    """Gradient w.r.t. `x` from that w.r.t. the padded `x`."""
    with torch.enable_grad():
        start = torch.zeros_like(x).requires_grad_()
        padded = kernel.padded(start)
    (before,) = torch.autograd.grad(padded, start, gradient)
    return before


def _correlation(
    module: nn.Module, x: Tensor, g: Tensor
) -> tuple[Kernel, Tensor, Tensor]:
    """The convolution that has this weight, what it slides over and what it meets."""
    assert isinstance(module, _ConvNd)
    if isinstance(module, _ConvTransposeNd):
        return _kernel(module, _reach(module, x, g)), g, x
    return kernel_of(module), x, g


def kernel_of(module: _ConvNd) -> Kernel:
    """What slides over the input of a convolution that is not transposed."""
    padding = tuple(module._reversed_padding_repeated_twice)
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return _kernel(module, padding, mode)


def _kernel(
    module: _ConvNd, padding: tuple[int, ...], mode: str = "constant"
) -> Kernel:
    shape, stride, dilation = module.weight.shape, module.stride, module.dilation
    return Kernel(shape, stride, dilation, module.groups, padding, mode)


def _reach(module: _ConvTransposeNd, x: Tensor, g: Tensor) -> tuple[int, ...]:
    """What windows at every place of `x` reach beyond `g`, as `F.pad` takes it.

    From the sizes, since a call may choose the output's.
    """
    assert not isinstance(module.padding, str)
    sizes = zip(
        module.padding, module.stride, module.dilation, module.kernel_size, strict=True
    )
    pairs = [
        (before, (places - 1) * stride + dilation * (taps - 1) + 1 - before - positions)
        for (before, stride, dilation, taps), places, positions in zip(
            sizes, x.shape[2:], g.shape[2:], strict=True
        )
    ]
    return tuple(chain.from_iterable(reversed(pairs)))


def _rule(dimensions: int, *, transposed: bool = False) -> LayerRule:
    """The rule for inputs [N, C, *places] with so many dimensions of places.

    Args:
        dimensions: How many; without the examples dimension there is one fewer.
        transposed: Whether it is of transposed convolutions.

    Returns:
        The rule.
    """

    def accepts(module: nn.Module, x: Tensor) -> bool:  # noqa: ARG001
        return x.ndim == dimensions + 2

    name = f"conv_transpose{dimensions}d" if transposed else f"conv{dimensions}d"
    return LayerRule(name, contributions, accepts, sums, input_gradient, gradients)


RULES: dict[type[nn.Module], LayerRule] = {
    nn.Conv1d: _rule(1),
    nn.Conv2d: _rule(2),
    nn.Conv3d: _rule(3),
    nn.ConvTranspose1d: _rule(1, transposed=True),
    nn.ConvTranspose2d: _rule(2, transposed=True),
    nn.ConvTranspose3d: _rule(3, transposed=True),
}
