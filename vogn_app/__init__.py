"""VOGN: natural-gradient variational inference as a plug-and-play torch optimizer."""

from .errors import UnsupportedLayerError
from .likelihoods import Bernoulli, Categorical, Gaussian
from .optim import VOGN
from .posterior import GaussianPosterior, PosteriorError

__all__ = [
    "VOGN",
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "GaussianPosterior",
    "PosteriorError",
    "UnsupportedLayerError",
]
__version__ = "0.1.0"
