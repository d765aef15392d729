"""KL divergence of diagonal Gaussians and the evidence lower bound, in nats.

Everything is summed in double precision: a network's KL has millions of terms.
"""

import torch
from torch import Tensor

from .._checks import check_number


def kl_divergence(
    mean: Tensor,
    precision: Tensor,
    prior_mean: Tensor | float,
    prior_precision: Tensor | float,
) -> Tensor:
    """KL(q || p) of diagonal Gaussians q and p, summed over all elements.

    Each element adds (r - 1 - log r + d (m - m0)^2) / 2, where m and P are the mean and
    precision of q, m0 and d those of p, and r = d / P.

    Args:
        mean: Mean of q, any shape.
        precision: Precision of q, > 0, in the shape of `mean`.
        prior_mean: Mean of p, a number or broadcastable to `mean`.
        prior_precision: Precision of p, > 0, a number or broadcastable to `mean`.

    Returns:
        The divergence >= 0 in nats, a scalar in float64.

    Raises:
        ValueError: If shapes do not fit or a precision is not > 0.
    """
    if precision.shape != mean.shape:
        raise ValueError(
            f"precision must have the shape of mean, {tuple(mean.shape)}, got "
            f"{tuple(precision.shape)}."
        )
    mean, precision = mean.double(), precision.double()
    prior_mean = _like(mean, "prior_mean", prior_mean)
    prior_precision = _like(mean, "prior_precision", prior_precision)
    _check_positive("precision", precision)
    _check_positive("prior_precision", prior_precision)
    ratio = prior_precision / precision
    misfit = prior_precision * (mean - prior_mean).square()
    return (ratio - 1 - ratio.log() + misfit).sum() / 2


def elbo(
    expected_loss: Tensor | float,
    num_data: float,
    kl: Tensor | float,
    temperature: float = 1.0,
) -> Tensor:
    """Evidence lower bound -N E_q[loss] - tau KL(q || prior), in nats.

    At temperature 1 it is at most the log marginal likelihood, with equality where q is
    the exact posterior, provided that the loss is a negative log-likelihood with all
    its constants.

    Args:
        expected_loss: Mean over examples of the loss in nats, averaged over q.
        num_data: Number of examples N > 0.
        kl: KL(q || prior) in nats.
        temperature: tau > 0.

    Returns:
        The bound, a scalar in float64.

    Raises:
        ValueError: If `num_data` or `temperature` is out of range.
    """
    check_number("num_data", num_data, minimum=0, open_minimum=True)
    check_number("temperature", temperature, minimum=0, open_minimum=True)
    loss = torch.as_tensor(expected_loss, dtype=torch.float64)
    return -num_data * loss - temperature * torch.as_tensor(kl, dtype=torch.float64)


def _like(mean: Tensor, name: str, value: Tensor | float) -> Tensor:
    """A prior's number or tensor in the shape of the mean."""
    value = torch.as_tensor(value, dtype=torch.float64, device=mean.device)
    try:
        return value.expand(mean.shape)
    except RuntimeError:
        raise ValueError(
            f"{name} must be a number or broadcastable to {tuple(mean.shape)}, got "
            f"shape {tuple(value.shape)}."
        ) from None


def _check_positive(name: str, value: Tensor) -> None:
    wrong = ~(value > 0)
    if wrong.any():
        raise ValueError(f"{name} must be > 0, got {value[wrong][0].item():g}.")
