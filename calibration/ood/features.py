"""Detectors that look at a network's features rather than at its probabilities.

Features are what the last linear layer takes in, ``[N, D]``. Each detector has
scikit-learn's contract: `fit` on training examples, `score` on others, learned values
end in ``_``, and use before `fit` raises `NotFittedError`. Nothing is random.
"""

from collections.abc import Mapping
from types import MappingProxyType

from calibration.ood._features import Detector
from calibration.ood.gaussians import Mahalanobis, RelativeMahalanobis
from calibration.ood.neighbours import NearestNeighbours
from calibration.ood.vim import ViM

__all__ = [
    "DETECTORS",
    "Detector",
    "Mahalanobis",
    "NearestNeighbours",
    "RelativeMahalanobis",
    "ViM",
]

DETECTORS: Mapping[str, tuple[type[Detector], str]] = MappingProxyType({
    "mahalanobis": (
        Mahalanobis,
        "Squared Mahalanobis distance of the features to the nearest class mean.",
    ),
    "relative_mahalanobis": (
        RelativeMahalanobis,
        "Mahalanobis distance to the nearest class less that to all training data.",
    ),
    "nearest_neighbours": (
        NearestNeighbours,
        "Distance of the normalised features to the k-th nearest training example.",
    ),
    "vim": (
        ViM,
        "Part of the features that no class explains, as a logit, less the energy's "
        "log-sum of the logits.",
    ),
})
