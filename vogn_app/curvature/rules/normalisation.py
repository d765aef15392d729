"""Normalisation layers: scale and shift of channels or features.

With mean m and deviation s of what is normalised together, example n contributes

    scale   sum_t g (x - m) / s        shift   sum_t g

summed over its positions or tokens t. The inputs are normalised anew, never recovered
from the output by dividing by the scale, which may be zero.

Batch statistics mix examples. Here they count as constants, as in the VOGN paper:
contributions still sum to the gradient, but are not gradients of single-example losses.
Statistics of an example alone, and running ones, are exact.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from .reductions import channel_sums, token_norm_sums
from .rule import Contributions, LayerRule


def _layer_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, ..., *normalized_shape]."""
    assert isinstance(module, nn.LayerNorm)
    tokens = _as_tokens(x, module.normalized_shape)
    statistics = _own_statistics(tokens, module.eps)
    return _per_feature(module, tokens, g, *statistics)


def _rms_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, ..., *normalized_shape]; nothing is subtracted."""
    assert isinstance(module, nn.RMSNorm)
    tokens = _as_tokens(x, module.normalized_shape)
    eps = torch.finfo(x.dtype).eps if module.eps is None else module.eps
    scale = tokens.square().mean(2).add_(eps).rsqrt_()
    result = _per_feature(module, tokens, g, torch.zeros_like(scale), scale)
    return {"weight": result["weight"]}


def _per_feature(
    module: nn.LayerNorm | nn.RMSNorm,
    tokens: Tensor,
    g: Tensor,
    mean: Tensor,
    scale: Tensor,
) -> Contributions:
    shape = module.normalized_shape
    weight, bias = token_norm_sums(tokens, _as_tokens(g, shape), mean, scale)
    shape = (len(tokens), *shape)
    return {"weight": weight.view(shape), "bias": bias.view(shape)}


def _as_tokens(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """[N, ..., *shape] as [N, T, D]."""
    between = x.shape[1 : x.ndim - len(shape)]
    return x.reshape(x.shape[0], between.numel(), torch.Size(shape).numel())


def _group_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, C, ...]."""
    assert isinstance(module, nn.GroupNorm)
    each = module.num_channels // module.num_groups
    positions = x.shape[2:].numel()
    groups = x.reshape(x.shape[0], module.num_groups, each * positions)
    mean, scale = _own_statistics(groups, module.eps)
    statistics = mean.repeat_interleave(each, 1), scale.repeat_interleave(each, 1)
    return _per_channel(_as_channels(x), g, *statistics)


def _instance_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, C, ...]; statistics of each example or the running ones."""
    assert isinstance(module, _InstanceNorm)
    channels = _as_channels(x)
    if module.training or not module.track_running_stats:
        return _per_channel(channels, g, *_own_statistics(channels, module.eps))
    return _per_channel(channels, g, *_running_statistics(module, x.dtype))


def _batch_norm(module: nn.Module, x: Tensor, g: Tensor) -> Contributions:
    """`x` and `g` are [N, C, ...]; statistics of the batch or the running ones."""
    assert isinstance(module, _BatchNorm)
    channels = _as_channels(x)
    if module.training or module.running_mean is None:
        return _per_channel(channels, g, *_batch_statistics(channels, module.eps))
    return _per_channel(channels, g, *_running_statistics(module, x.dtype))


def _per_channel(
    channels: Tensor, g: Tensor, mean: Tensor, scale: Tensor
) -> Contributions:
    weight, bias = channel_sums(channels, _as_channels(g), mean, scale)
    return {"weight": weight, "bias": bias}


def _as_channels(x: Tensor) -> Tensor:
    """[N, C, ...] as [N, C, T]."""
    return x.reshape(*x.shape[:2], x.shape[2:].numel())


def _own_statistics(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and one over deviation along the last of three dimensions.

    Two plain passes: `torch.var_mean` takes over ten times as long on a CPU, and
    `torch.native_layer_norm` twice as long.

    Args:
        x: What is normalised together, in rows [N, R, T].
        eps: What the layer adds to the variance.

    Returns:
        Two tensors [N, R].
    """
    mean = x.mean(2)
    variance = (x - mean.unsqueeze(2)).square_().mean(2)
    return mean, variance.add_(eps).rsqrt_()


def _batch_statistics(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and one over deviation of each channel of [N, C, T]: [C]."""
    mean = x.mean((0, 2))
    variance = (x - mean.unsqueeze(1)).square_().mean((0, 2))
    return mean, variance.add_(eps).rsqrt_()


def _running_statistics(
    module: _BatchNorm | _InstanceNorm, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Mean and one over deviation of each channel, of past batches: [C]."""
    assert module.running_mean is not None
    assert module.running_var is not None
    scale = (module.running_var.to(dtype) + module.eps).rsqrt_()
    return module.running_mean.to(dtype), scale


def _beyond_normalised(module: nn.Module, x: Tensor) -> bool:
    assert isinstance(module, nn.LayerNorm | nn.RMSNorm)
    return x.ndim > len(module.normalized_shape)


def _has_channels(module: nn.Module, x: Tensor) -> bool:  # noqa: ARG001
    return x.ndim >= 2


def _alone(module: nn.Module, x: Tensor) -> bool:
    """Whether the statistics are those of this process' batch, or running ones."""
    assert isinstance(module, nn.SyncBatchNorm)
    distributed = torch.distributed
    several = (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size(module.process_group) > 1
    )
    return x.ndim >= 2 and not (module.training and several)


def _instance_dimensions(positions: int) -> LayerRule:
    """The rule for inputs [N, C, ...] with so many dimensions of positions.

    Args:
        positions: How many; without the examples dimension there is one fewer.

    Returns:
        The rule.
    """

    def accepts(module: nn.Module, x: Tensor) -> bool:  # noqa: ARG001
        return x.ndim == positions + 2

    return LayerRule("instance_norm", _instance_norm, accepts)


LAYER_NORM = LayerRule("layer_norm", _layer_norm, _beyond_normalised)
RMS_NORM = LayerRule("rms_norm", _rms_norm, _beyond_normalised)
GROUP_NORM = LayerRule("group_norm", _group_norm, _has_channels)
BATCH_NORM = LayerRule("batch_norm", _batch_norm, _has_channels, whole_batch=True)
SYNC_BATCH_NORM = LayerRule("batch_norm", _batch_norm, _alone, whole_batch=True)
INSTANCE_NORM_1D = _instance_dimensions(1)
INSTANCE_NORM_2D = _instance_dimensions(2)
INSTANCE_NORM_3D = _instance_dimensions(3)
