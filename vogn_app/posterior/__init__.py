"""The Gaussian posterior over the weights: what a user keeps, loads and predicts with.

It needs neither the optimizer that learned it nor the data.
"""

from .divergence import elbo, kl_divergence
from .gaussian import GaussianPosterior
from .layers import LayerSummary
from .loading import load_posterior
from .matrix_gaussian import MatrixGaussianPosterior
from .storage import PosteriorError

__all__ = [
    "GaussianPosterior",
    "LayerSummary",
    "MatrixGaussianPosterior",
    "PosteriorError",
    "elbo",
    "kl_divergence",
    "load_posterior",
]
