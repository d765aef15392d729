"""The diagonal Gaussian with the means and variances of another posterior."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .gaussian import GaussianPosterior

if TYPE_CHECKING:
    from .base import Posterior


def marginals_of(posterior: "Posterior") -> GaussianPosterior:
    """The diagonal Gaussian with the same mean and variance of every weight.

    Args:
        posterior: Of any kind.

    Returns:
        A Gaussian in which parameters without any variance have no noise. Where single
        weights have none, their precision is the largest that a number can be.
    """
    found = posterior.variances().items()
    variances = {name: variance for name, variance in found if (variance > 0).any()}
    prior = posterior.prior_precision
    return GaussianPosterior(
        mean=posterior.mean,
        precision={name: _precision(each) for name, each in variances.items()},
        prior_precision={name: prior.get(name, 0.0) for name in variances},
        buffers=posterior.buffers,
        metadata=posterior.metadata,
    )


def _precision(variance: Tensor) -> Tensor:
    smallest = torch.finfo(variance.dtype).tiny  # its reciprocal is finite
    return variance.clamp_min(smallest).reciprocal()
