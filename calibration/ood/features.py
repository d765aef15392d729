"""Detectors that look at a network's features rather than at its probabilities.

Features are what the last linear layer takes in, ``[N, D]``. Each detector has
scikit-learn's contract: `fit` on training examples, `score` on others, learned values
end in ``_``, and use before `fit` raises `NotFittedError`. Nothing is random.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from calibration.ood._detector import Detector
from calibration.ood.gaussians import Mahalanobis, RelativeMahalanobis
from calibration.ood.neighbours import NearestNeighbours
from calibration.ood.vim import ViM

__all__ = [
    "DETECTORS",
    "Detector",
    "FeatureScore",
    "Mahalanobis",
    "NearestNeighbours",
    "RelativeMahalanobis",
    "ViM",
]


@dataclass(frozen=True)
class FeatureScore:
    """One entry of the catalogue.

    Args:
        title: Its name on a page.
        detector: Its class.
        needs_logits: Whether `fit` takes the logits of the training examples.
    """

    title: str
    detector: type[Detector]
    needs_logits: bool = False


DETECTORS: Mapping[str, FeatureScore] = MappingProxyType({
    "mahalanobis": FeatureScore("Mahalanobis distance", Mahalanobis),
    "relative_mahalanobis": FeatureScore(
        "Relative Mahalanobis distance", RelativeMahalanobis
    ),
    "nearest_neighbours": FeatureScore(
        "Distance to the nearest neighbours", NearestNeighbours
    ),
    "vim": FeatureScore("ViM", ViM, needs_logits=True),
})
