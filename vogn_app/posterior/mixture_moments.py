"""Means and variances of a mixture with equal weights, from those of its components.

Sums are in double precision: weights of single precision differ in few of their bits.
"""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]  # by parameter


def differing(means: Sequence[Tensors]) -> frozenset[str]:
    """Parameters that are not the same in all components.

    Args:
        means: By component, all with the same names.

    Returns:
        Their names.
    """
    first, *others = means
    return frozenset(
        name
        for name, tensor in first.items()
        if not all(torch.equal(tensor, other[name]) for other in others)
    )


def average(means: Sequence[Tensors], names: Collection[str]) -> dict[str, Tensor]:
    """Averages over components, in their types.

    Args:
        means: By component.
        names: Parameters to average; of others, and of whole numbers, the first
            component's are taken as they are.

    Returns:
        All parameters, in their order.
    """
    first = means[0]
    averages = {
        name: _centre(name, means).to(first[name].dtype)
        for name in names
        if first[name].is_floating_point()
    }
    return {name: averages.get(name, tensor) for name, tensor in first.items()}


def two_terms(
    name: str, means: Sequence[Tensors], variances: Sequence[Tensors]
) -> tuple[Tensor, Tensor]:
    """The two terms of the law of total variance.

    Args:
        name: A parameter.
        means: By component.
        variances: By component; those that lack the parameter have no noise in it.

    Returns:
        Average variance within components, and variance between their means.
    """
    centre = _centre(name, means)
    within, between = torch.zeros_like(centre), torch.zeros_like(centre)
    for mean, variance in zip(means, variances, strict=True):
        between += (mean[name].double() - centre).square()
        if name in variance:
            within += variance[name]
    return within / len(means), between / len(means)


def share(terms: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Part of the variance that is between components.

    Args:
        terms: Variances within and between, of some parameters.

    Returns:
        In [0, 1]; 0 where there is no variance.
    """
    within = sum(float(each.sum()) for each, _ in terms)
    between = sum(float(each.sum()) for _, each in terms)
    return between / (within + between) if between else 0.0


def common_prior(priors: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Prior precisions on which all components agree, by parameter."""
    first, *others = priors
    return {
        name: delta
        for name, delta in first.items()
        if all(other.get(name) == delta for other in others)
    }


def _centre(name: str, means: Sequence[Tensors]) -> Tensor:
    total = torch.zeros_like(means[0][name], dtype=torch.float64)
    for mean in means:
        total += mean[name]
    return total / len(means)
