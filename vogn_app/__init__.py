"""VOGN: natural-gradient variational inference as a plug-and-play torch optimizer."""

from .errors import UnsupportedLayerError
from .likelihoods import Bernoulli, Categorical, Gaussian
from .optim import (
    KFAC,
    SPNGD,
    VOGN,
    Ensemble,
    KroneckerPreconditioner,
    NoisyKFAC,
    optimizer_for,
)
from .posterior import (
    DropoutPosterior,
    GaussianPosterior,
    LowRankPosterior,
    MatrixGaussianPosterior,
    MixturePosterior,
    PosteriorError,
    load_posterior,
)

__all__ = [
    "KFAC",
    "SPNGD",
    "VOGN",
    "Bernoulli",
    "Categorical",
    "DropoutPosterior",
    "Ensemble",
    "Gaussian",
    "GaussianPosterior",
    "KroneckerPreconditioner",
    "LowRankPosterior",
    "MatrixGaussianPosterior",
    "MixturePosterior",
    "NoisyKFAC",
    "PosteriorError",
    "UnsupportedLayerError",
    "load_posterior",
    "optimizer_for",
]
__version__ = "0.1.0"
