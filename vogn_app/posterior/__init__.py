"""The Gaussian posterior over the weights: what a user keeps, loads and predicts with.

It needs neither the optimizer that learned it nor the data.
"""

from .divergence import elbo, kl_divergence
from .gaussian import GaussianPosterior
from .layers import LayerSummary
from .storage import PosteriorError

__all__ = [
    "GaussianPosterior",
    "LayerSummary",
    "PosteriorError",
    "elbo",
    "kl_divergence",
]
