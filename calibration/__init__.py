"""How far predicted probabilities can be trusted: NumPy arrays in, numbers out.

Probabilities are ``[N, C]``, or ``[S, N, C]`` with the S posterior samples first; never
logits. Labels are class indices ``[N]``. Entropies are in nats. Nothing here knows a
model or a framework, so the predictions of any will do.
"""

from calibration._checks import check_labels, check_probabilities, predictive
from calibration.calibration_errors import expected_calibration_error
from calibration.evaluation import DEFINITIONS, evaluate
from calibration.gallery import select_examples
from calibration.intervals import Estimate, wilson_interval
from calibration.maps import uncertainty_map
from calibration.metrics import (
    accuracy,
    brier_score,
    negative_log_likelihood,
)
from calibration.ood import (
    FPR95_DEFINITION,
    ScoreHistogram,
    auroc,
    fpr_at_recall,
    score_histogram,
)
from calibration.reliability import (
    ReliabilityDiagram,
    reliability_diagram,
)
from calibration.uncertainty import UncertaintyDecomposition, decompose, entropy

__all__ = [
    "DEFINITIONS",
    "FPR95_DEFINITION",
    "Estimate",
    "ReliabilityDiagram",
    "ScoreHistogram",
    "UncertaintyDecomposition",
    "accuracy",
    "auroc",
    "brier_score",
    "check_labels",
    "check_probabilities",
    "decompose",
    "entropy",
    "evaluate",
    "expected_calibration_error",
    "fpr_at_recall",
    "negative_log_likelihood",
    "predictive",
    "reliability_diagram",
    "score_histogram",
    "select_examples",
    "uncertainty_map",
    "wilson_interval",
]
