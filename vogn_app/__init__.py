"""VOGN: natural-gradient variational inference as a plug-and-play torch optimizer."""

from .errors import UnsupportedLayerError
from .likelihoods import Bernoulli, Categorical, Gaussian
from .optim import KFAC, SPNGD, VOGN, KroneckerPreconditioner, NoisyKFAC, optimizer_for
from .posterior import (
    GaussianPosterior,
    MatrixGaussianPosterior,
    PosteriorError,
    load_posterior,
)

__all__ = [
    "KFAC",
    "SPNGD",
    "VOGN",
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "GaussianPosterior",
    "KroneckerPreconditioner",
    "MatrixGaussianPosterior",
    "NoisyKFAC",
    "PosteriorError",
    "UnsupportedLayerError",
    "load_posterior",
    "optimizer_for",
]
__version__ = "0.1.0"
