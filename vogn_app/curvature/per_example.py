"""Per-example gradients of one layer, from its input and its output's gradient.

Pure functions, no hooks. Every layer rule takes `(module, x, g)`:

    x   input of the layer, examples first              [N, ...]
    g   gradient of the loss w.r.t. the layer's output  [N, ...]

and gives the contribution of each example to the gradient of each parameter,
`[N, *parameter.shape]`. Positions and tokens are summed before anything is squared.
Sums over examples, `sum_n contribution_n`, equal what autograd puts in `.grad`.

BatchNorm in train mode mixes examples. Its rule takes the batch statistics as fixed, as
the VOGN paper does: contributions still sum to the gradient, but are not gradients of
single-example losses. Normalised inputs are recomputed from `x`, never recovered by
dividing by the scale, which may be zero.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.nn.grad import conv2d_weight

Contributions = dict[str, Tensor]

# Elements of one chunk of per-example gradients (64 MiB of float32): larger layers are
# squared a few examples at a time, so that memory stays bounded.
CHUNK_ELEMENTS = 2**24


@dataclass(frozen=True)
class LayerRule:
    """How one type of layer gives per-example gradients.

    Args:
        name: Name of the rule, for people.
        contributions: Maps `(module, x, g)` to per-example gradients by parameter
            name, `[N, *shape]` each.
        accepts: Whether an input `(module, x)` has an examples dimension.
    """

    name: str
    contributions: Callable[[nn.Module, Tensor, Tensor], Contributions]
    accepts: Callable[[nn.Module, Tensor], bool]


def rule_for(module: nn.Module) -> LayerRule | None:
    """The rule of a module, None when there is none.

    Subclasses have none: their `forward` may do something else.
    """
    return RULES.get(type(module))


def contribution_chunks(
    rule: LayerRule, module: nn.Module, x: Tensor, g: Tensor
) -> Iterator[Contributions]:
    """The rule's contributions, a bounded number of examples at a time.

    Args:
        rule: The module's rule.
        module: The layer.
        x: Its input [N, ...].
        g: Gradient of its output [N, ...].

    Yields:
        Contributions `[n, *shape]` of consecutive examples; the caller owns them.
    """
    for x_part, g_part in _chunks(module, x, g):
        yield rule.contributions(module, x_part, g_part)


def _chunks(module: nn.Module, x: Tensor, g: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return iter([(x, g)])  # batch statistics need the whole batch
    largest = max(parameter.numel() for parameter in module.parameters(recurse=False))
    size = max(1, CHUNK_ELEMENTS // largest)
    return zip(torch.split(x, size), torch.split(g, size), strict=True)


def linear_squares(x: Tensor, g: Tensor) -> Contributions:
    """Squares of outer products without forming them: (g x^T)^2 = g^2 (x^2)^T.

    Args:
        x: Input of a Linear layer [N, in].
        g: Gradient of its output [N, out].

    Returns:
        `sum_n contribution_n^2` of weight [out, in] and bias [out].
    """
    squares = g.square()
    return {"weight": squares.T @ x.square(), "bias": squares.sum(0)}


def _linear(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:  # noqa: ARG001
    """`x` is [N, ..., in], `g` is [N, ..., out]; tokens are summed."""
    tokens, gradients = _as_tokens(x), _as_tokens(g)
    weight = torch.bmm(gradients.transpose(1, 2), tokens)
    return {"weight": weight, "bias": gradients.sum(1)}


def _as_tokens(x: Tensor) -> Tensor:
    """[N, ..., D] as [N, T, D]."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])


def _conv2d(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` is [N, C, H, W], `g` is [N, O, h, w].

    Examples become groups of one convolution, whose native weight gradient then is the
    per-example gradient at the cost of the ordinary one.
    """
    assert isinstance(module, nn.Conv2d)
    x, padding = _padded(module, x)
    num, (channels, outputs) = x.shape[0], (x.shape[1], g.shape[1])
    size = module.weight.shape
    weight = conv2d_weight(
        x.reshape(1, num * channels, *x.shape[2:]),
        (num * outputs, *size[1:]),
        g.reshape(1, num * outputs, *g.shape[2:]),
        stride=module.stride,
        padding=padding,
        dilation=module.dilation,
        groups=num * module.groups,
    )
    return {"weight": weight.reshape(num, *size), "bias": g.flatten(2).sum(2)}


def _padded(module: nn.Conv2d, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Apply padding that a plain zero-padded convolution cannot express."""
    if module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return x, module.padding
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return F.pad(x, module._reversed_padding_repeated_twice, mode=mode), (0, 0)


def _layer_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, ..., *normalized_shape]."""
    assert isinstance(module, nn.LayerNorm)
    normalised = F.layer_norm(x, module.normalized_shape, eps=module.eps)
    between = tuple(range(1, x.ndim - len(module.normalized_shape)))
    scale, shift = normalised * g, g
    if between:
        scale, shift = scale.sum(between), shift.sum(between)
    return {"weight": scale, "bias": shift.clone() if shift is g else shift}


def _group_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, C, ...]."""
    assert isinstance(module, nn.GroupNorm)
    normalised = F.group_norm(x, module.num_groups, eps=module.eps)
    return _per_channel(normalised, g)


def _batch_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, C, ...]; statistics of the batch or the running ones."""
    assert isinstance(module, nn.modules.batchnorm._BatchNorm)
    mean, variance = module.running_mean, module.running_var
    use_batch = module.training or mean is None
    if use_batch:
        mean = variance = None  # with statistics at hand they would be updated again
    normalised = F.batch_norm(x, mean, variance, training=use_batch, eps=module.eps)
    return _per_channel(normalised, g)


def _per_channel(normalised: Tensor, g: Tensor) -> Contributions:
    num, channels = g.shape[:2]
    positions = math.prod(g.shape[2:])
    scale = (normalised * g).reshape(num, channels, positions).sum(2)
    return {"weight": scale, "bias": g.reshape(num, channels, positions).sum(2)}


def _at_least_2d(module: nn.Module, x: Tensor) -> bool:  # noqa: ARG001
    return x.ndim >= 2


def _exactly_4d(module: nn.Module, x: Tensor) -> bool:  # noqa: ARG001
    return x.ndim == 4


def _beyond_normalised(module: nn.Module, x: Tensor) -> bool:
    assert isinstance(module, nn.LayerNorm)
    return x.ndim > len(module.normalized_shape)


LINEAR = LayerRule("linear", _linear, _at_least_2d)
_BATCH_NORM = LayerRule("batch_norm", _batch_norm, _at_least_2d)

RULES: dict[type[nn.Module], LayerRule] = {
    nn.Linear: LINEAR,
    nn.Conv2d: LayerRule("conv2d", _conv2d, _exactly_4d),
    nn.LayerNorm: LayerRule("layer_norm", _layer_norm, _beyond_normalised),
    nn.GroupNorm: LayerRule("group_norm", _group_norm, _at_least_2d),
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    nn.BatchNorm3d: _BATCH_NORM,
}
