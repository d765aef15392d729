"""What a posterior says of each layer: how much was learned, how surely."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .divergence import kl_divergence
from .draws import wide_dtype


@dataclass(frozen=True)
class LayerSummary:
    """One module and the sampled parameters that it owns itself (weight and bias).

    Attributes:
        name: The module's name in the model; empty for the model itself.
        num_parameters: Number of its sampled weights.
        kl: KL(q || prior) in nats; None where the prior precision is 0, see
            `GaussianPosterior.kl_divergence`, or the posterior has no closed form.
        signal_to_noise: Median of |mean| over the standard deviation, the lower one of
            two; None where it is infinite, for weights without noise.
        effective_parameters: Number of weights that the data determine; None where the
            posterior is no Gaussian around a prior.
        deviation: Mean of the standard deviations.
        between: Of a mixture, the share in [0, 1] of the variance that is between its
            components, 0 where there is no variance; None for other posteriors.
    """

    name: str
    num_parameters: int
    kl: float | None
    signal_to_noise: float | None
    effective_parameters: float | None
    deviation: float
    between: float | None = None


def signal_to_noise(mean: Tensor, precision: Tensor) -> Tensor:
    """|mean| sqrt(precision), at least in float32.

    Args:
        mean: Any shape.
        precision: > 0, in the same shape.

    Returns:
        Ratios >= 0 in the same shape.
    """
    dtype = wide_dtype(mean, precision)
    return mean.to(dtype).abs() * precision.to(dtype).sqrt()


def effective_parameters(precision: Tensor, prior_precision: float) -> float:
    """Sum of 1 - delta / P, MacKay's number of well-determined parameters.

    Args:
        precision: P > 0, any shape.
        prior_precision: delta >= 0.

    Returns:
        Between 0 (all from the prior) and the number of elements (all from the data)
        as long as P >= delta, which holds for a prior plus curvature >= 0; a precision
        below the prior's counts negative, and is not hidden by clamping.
    """
    return float((1 - prior_precision / precision.double()).sum())


def by_layer(names: Iterable[str]) -> dict[str, list[str]]:
    """Parameter names by the module that owns them."""
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    return layers


def summarise(
    layer: str,
    mean: dict[str, Tensor],
    precision: dict[str, Tensor],
    prior_precision: dict[str, float],
) -> LayerSummary:
    """Summarise one layer.

    Args:
        layer: Its name.
        mean: Means of its sampled parameters, at least one element in all.
        precision: Their precisions.
        prior_precision: Their prior precisions.

    Returns:
        The row.
    """
    ratios = [signal_to_noise(mean[n], p).flatten() for n, p in precision.items()]
    precisions = torch.cat([p.flatten().double() for p in precision.values()])
    proper = all(prior_precision.values())
    return LayerSummary(
        name=layer,
        num_parameters=precisions.numel(),
        kl=total_kl(mean, precision, prior_precision) if proper else None,
        signal_to_noise=float(torch.cat(ratios).median()),
        effective_parameters=sum(
            effective_parameters(p, prior_precision[n]) for n, p in precision.items()
        ),
        deviation=float(precisions.rsqrt().mean()),
    )


def total_kl(
    mean: dict[str, Tensor],
    precision: dict[str, Tensor],
    prior_precision: dict[str, float],
) -> float:
    """KL(q || N(0, I / delta)) in nats, summed over parameters with delta > 0."""
    each = (
        kl_divergence(mean[n], p, 0.0, prior_precision[n]) for n, p in precision.items()
    )
    return float(sum(each))


def spread_rows(
    mean: dict[str, Tensor], variances: dict[str, Tensor]
) -> list[LayerSummary]:
    """Rows of what is known of any posterior: how far each weight spreads.

    Args:
        mean: Means of all parameters.
        variances: >= 0, of some of them, in their shapes.

    Returns:
        One row for each module that owns such parameters, in the order of `mean`.
    """
    names = [name for name in mean if name in variances and mean[name].numel()]
    return [
        _spread(layer, own, mean, variances) for layer, own in by_layer(names).items()
    ]


def _spread(
    layer: str, names: list[str], mean: dict[str, Tensor], variances: dict[str, Tensor]
) -> LayerSummary:
    means = torch.cat([mean[name].flatten().double() for name in names])
    deviations = torch.cat([variances[n].flatten().double() for n in names]).sqrt()
    # 0 / 0 is no doubt either.
    ratios = torch.where(deviations > 0, means.abs() / deviations, math.inf)
    median = float(ratios.median())
    return LayerSummary(
        name=layer,
        num_parameters=means.numel(),
        kl=None,
        signal_to_noise=median if math.isfinite(median) else None,
        effective_parameters=None,
        deviation=float(deviations.mean()),
    )
