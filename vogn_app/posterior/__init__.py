"""Posteriors over the weights: what a user keeps, loads and predicts with.

They need neither the optimizer that learned them nor the data.
"""

from .base import Posterior
from .divergence import elbo, kl_divergence
from .dropout import DropoutPosterior
from .gaussian import GaussianPosterior
from .layers import LayerSummary
from .loading import AnyPosterior, load_posterior
from .low_rank import LowRankPosterior
from .matrix_gaussian import MatrixGaussianPosterior
from .mixture import MixturePosterior
from .storage import PosteriorError

__all__ = [
    "AnyPosterior",
    "DropoutPosterior",
    "GaussianPosterior",
    "LayerSummary",
    "LowRankPosterior",
    "MatrixGaussianPosterior",
    "MixturePosterior",
    "Posterior",
    "PosteriorError",
    "elbo",
    "kl_divergence",
    "load_posterior",
]
