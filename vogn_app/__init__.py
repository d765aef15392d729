"""VOGN: natural-gradient variational inference as a plug-and-play torch optimizer."""

from .errors import UnsupportedLayerError
from .likelihoods import Bernoulli, Categorical, Gaussian
from .optim import (
    IVON,
    KFAC,
    SGHMC,
    SGLD,
    SPNGD,
    SWAG,
    VOGN,
    Ensemble,
    KroneckerPreconditioner,
    Laplace,
    MCDropout,
    NoisyKFAC,
    SnapshotEnsemble,
    Vadam,
    learn_prior,
    optimizer_for,
    renew_running_statistics,
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
    "IVON",
    "KFAC",
    "SGHMC",
    "SGLD",
    "SPNGD",
    "SWAG",
    "VOGN",
    "Bernoulli",
    "Categorical",
    "DropoutPosterior",
    "Ensemble",
    "Gaussian",
    "GaussianPosterior",
    "KroneckerPreconditioner",
    "Laplace",
    "LowRankPosterior",
    "MCDropout",
    "MatrixGaussianPosterior",
    "MixturePosterior",
    "NoisyKFAC",
    "PosteriorError",
    "SnapshotEnsemble",
    "UnsupportedLayerError",
    "Vadam",
    "learn_prior",
    "load_posterior",
    "optimizer_for",
    "renew_running_statistics",
]
__version__ = "0.1.0"
