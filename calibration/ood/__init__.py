"""Out-of-distribution detection: scores, detectors on features, and how good they are.

A larger score means more out of distribution, and out of distribution (OOD) is the
positive class, everywhere. Detectors on features need scikit-learn, which is imported
with the first of them and not before.
"""

from typing import TYPE_CHECKING, Any

from calibration.definitions import FPR95_DEFINITION
from calibration.ood.curves import (
    PrecisionRecallCurve,
    RocCurve,
    ScoreHistogram,
    precision_recall_curve,
    roc_curve,
    score_histogram,
)
from calibration.ood.detection import (
    aupr_in,
    aupr_out,
    auroc,
    detection_error,
    fpr_at_recall,
)
from calibration.ood.evaluation import (
    DETECTION_MEASURES,
    Detection,
    DetectionReport,
    evaluate_detectors,
)
from calibration.ood.scores import (
    SCORES,
    Score,
    all_scores,
    energy_score,
    entropy_score,
    expected_entropy_score,
    max_logit_score,
    max_probability_score,
    mutual_information_score,
)

if TYPE_CHECKING:
    from calibration.ood.features import (
        DETECTORS,
        Detector,
        FeatureScore,
        Mahalanobis,
        NearestNeighbours,
        RelativeMahalanobis,
        ViM,
    )

_NEEDS_SKLEARN = {
    "DETECTORS",
    "Detector",
    "FeatureScore",
    "Mahalanobis",
    "NearestNeighbours",
    "RelativeMahalanobis",
    "ViM",
}

__all__ = [
    "DETECTION_MEASURES",
    "DETECTORS",
    "FPR95_DEFINITION",
    "SCORES",
    "Detection",
    "DetectionReport",
    "Detector",
    "FeatureScore",
    "Mahalanobis",
    "NearestNeighbours",
    "PrecisionRecallCurve",
    "RelativeMahalanobis",
    "RocCurve",
    "Score",
    "ScoreHistogram",
    "ViM",
    "all_scores",
    "aupr_in",
    "aupr_out",
    "auroc",
    "detection_error",
    "energy_score",
    "entropy_score",
    "evaluate_detectors",
    "expected_entropy_score",
    "fpr_at_recall",
    "max_logit_score",
    "max_probability_score",
    "mutual_information_score",
    "precision_recall_curve",
    "roc_curve",
    "score_histogram",
]


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_SKLEARN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from calibration.ood import features

    return getattr(features, name)
