"""How far predicted probabilities can be trusted: NumPy arrays in, numbers out.

Probabilities are ``[N, C]``, or ``[S, N, C]`` with the S posterior samples first; never
logits. Labels are class indices ``[N]``. Entropies are in nats. Nothing here knows a
model or a framework, so the predictions of any will do. Every single number is an
`Estimate`: a float that carries its 95 % interval and the number of examples.

Classifiers are judged by the names below. Further modules, imported by name:
`calibration.regression`, `calibration.segmentation`, `calibration.recalibration`
(scikit-learn's contract), detectors on features in `calibration.ood`, and
`calibration.report`.
"""

from calibration._checks import check_labels, check_probabilities, predictive
from calibration.calibration_errors import (
    adaptive_calibration_error,
    classwise_calibration_error,
    debiased_calibration_error,
    expected_calibration_error,
    kernel_calibration_error,
    maximum_calibration_error,
    overconfidence,
    overconfidence_error,
    root_mean_square_calibration_error,
)
from calibration.comparison import (
    Difference,
    SeedSummary,
    mean_over_seeds,
    paired_bootstrap,
    paired_differences,
)
from calibration.conformal import (
    ConformalAPS,
    ConformalRAPS,
    ConformalReport,
    ConformalTHR,
    evaluate_sets,
)
from calibration.definitions import FPR95_DEFINITION, MEASURES, Definition
from calibration.estimate import Estimate
from calibration.evaluation import DEFINITIONS, evaluate
from calibration.gallery import select_examples
from calibration.intervals import wilson_interval
from calibration.maps import uncertainty_map
from calibration.measures import headline, mean_uncertainty, measure
from calibration.metrics import (
    BrierDecomposition,
    accuracy,
    brier_decomposition,
    brier_score,
    mean_confidence,
    negative_log_likelihood,
    sharpness,
)
from calibration.ood import (
    Detection,
    DetectionReport,
    ScoreHistogram,
    all_scores,
    aupr_in,
    aupr_out,
    auroc,
    detection_error,
    evaluate_detectors,
    fpr_at_recall,
    precision_recall_curve,
    roc_curve,
    score_histogram,
)
from calibration.reliability import (
    ReliabilityDiagram,
    class_reliability_diagrams,
    confidence_diagram,
    reliability_diagram,
)
from calibration.selective import (
    RiskCoverageCurve,
    area_under_generalised_risk_coverage,
    area_under_risk_coverage,
    coverage_at_risk,
    excess_area,
    reference_areas,
    risk_at_coverage,
    risk_coverage_curve,
)
from calibration.shift import shift_summary, shift_table
from calibration.uncertainty import (
    UncertaintyDecomposition,
    decompose,
    entropy,
    predictive_uncertainty,
    predictive_variance,
    variation_ratio,
)

__all__ = [
    "DEFINITIONS",
    "FPR95_DEFINITION",
    "MEASURES",
    "BrierDecomposition",
    "ConformalAPS",
    "ConformalRAPS",
    "ConformalReport",
    "ConformalTHR",
    "Definition",
    "Detection",
    "DetectionReport",
    "Difference",
    "Estimate",
    "ReliabilityDiagram",
    "RiskCoverageCurve",
    "ScoreHistogram",
    "SeedSummary",
    "UncertaintyDecomposition",
    "accuracy",
    "adaptive_calibration_error",
    "all_scores",
    "area_under_generalised_risk_coverage",
    "area_under_risk_coverage",
    "aupr_in",
    "aupr_out",
    "auroc",
    "brier_decomposition",
    "brier_score",
    "check_labels",
    "check_probabilities",
    "class_reliability_diagrams",
    "classwise_calibration_error",
    "confidence_diagram",
    "coverage_at_risk",
    "debiased_calibration_error",
    "decompose",
    "detection_error",
    "entropy",
    "evaluate",
    "evaluate_detectors",
    "evaluate_sets",
    "excess_area",
    "expected_calibration_error",
    "fpr_at_recall",
    "headline",
    "kernel_calibration_error",
    "maximum_calibration_error",
    "mean_confidence",
    "mean_over_seeds",
    "mean_uncertainty",
    "measure",
    "negative_log_likelihood",
    "overconfidence",
    "overconfidence_error",
    "paired_bootstrap",
    "paired_differences",
    "precision_recall_curve",
    "predictive",
    "predictive_uncertainty",
    "predictive_variance",
    "reference_areas",
    "reliability_diagram",
    "risk_at_coverage",
    "risk_coverage_curve",
    "roc_curve",
    "root_mean_square_calibration_error",
    "score_histogram",
    "select_examples",
    "sharpness",
    "shift_summary",
    "shift_table",
    "uncertainty_map",
    "variation_ratio",
    "wilson_interval",
]
