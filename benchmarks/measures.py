"""Measures of `calibration` by name, and the predictions that their cost is taken on.

`benchmarks.peers.measures` has those of other libraries under the same names.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from calibration import calibration_errors as errors
from calibration import (
    comparison,
    conformal,
    metrics,
    ood,
    regression,
    reliability,
    selective,
)
from calibration.distributions import Empirical, Gaussian
from calibration.recalibration import (
    BetaCalibration,
    HistogramBinning,
    IsotonicCalibration,
    MatrixScaling,
    Recalibration,
    TemperatureScaling,
    VectorScaling,
)
from calibration.uncertainty import decompose, predictive_variance, variation_ratio

NUM_CLASSES, NUM_BINS, NUM_SAMPLES, NUM_DRAWS = 10, 15, 4, 16
RISK, RECALL = 0.05, 0.95


class Predictions:
    """What a slightly overconfident model says, all in float32.

    Args:
        num_examples: N; half of the scores are in distribution, half out of it.
    """

    def __init__(self, num_examples: int) -> None:
        generator = np.random.default_rng(0)

        def normal(*shape: int) -> np.ndarray:
            return generator.standard_normal(shape, dtype=np.float32)

        logits = 1.5 * normal(num_examples, NUM_CLASSES)
        # The place of the largest of logits with Gumbel noise is a draw from softmax.
        self.labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
        self.probabilities = _softmax(1.3 * logits)
        self.samples = _softmax(logits + 0.5 * normal(NUM_SAMPLES, *logits.shape))
        self.in_scores = normal(num_examples // 2)
        self.out_scores = normal(num_examples // 2) + 1
        self.targets, self.mean = normal(num_examples), 0.3 * normal(num_examples)
        self.deviation = np.exp(0.3 * normal(num_examples))
        self.draws = normal(NUM_DRAWS, num_examples)

    @cached_property
    def is_out(self) -> np.ndarray:
        """Whether each of both sets' scores is out of distribution."""
        sides = [np.zeros(len(self.in_scores)), np.ones(len(self.out_scores))]
        return np.concatenate(sides).astype(bool)

    @cached_property
    def scores(self) -> np.ndarray:
        """The scores of both sets, in that order."""
        return np.concatenate([self.in_scores, self.out_scores])

    @cached_property
    def draws_by_example(self) -> np.ndarray:
        """The draws with examples first, contiguous."""
        return np.ascontiguousarray(self.draws.T)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


Number = Callable[[Predictions], float]


def _of_labels(measure: Callable[..., Any], *arguments: Any) -> Number:
    """A measure of probabilities and labels."""
    return lambda p: measure(p.probabilities, p.labels, *arguments)


def _of_scores(measure: Callable[..., Any]) -> Number:
    """A measure of in-distribution and OOD scores."""
    return lambda p: measure(p.in_scores, p.out_scores)


def _diagram(p: Predictions) -> float:
    found = reliability.reliability_diagram(p.probabilities, p.labels, NUM_BINS)
    return found.accuracy.mean()


def _class_diagrams(p: Predictions) -> float:
    found = reliability.class_reliability_diagrams(p.probabilities, p.labels, NUM_BINS)
    return np.mean([each.accuracy.mean() for each in found])


def _confidence_diagram(p: Predictions) -> float:
    found = reliability.confidence_diagram(p.probabilities, p.labels, NUM_BINS)
    return found.accuracy.mean()


def _coverage(p: Predictions) -> float:
    return selective.coverage_at_risk(p.probabilities, p.labels, risk=RISK)


def _isotonic(p: Predictions) -> float:
    fitted = IsotonicCalibration(smoothing=0).fit(p.probabilities, p.labels)
    return fitted.maps_[0].predict([0.5])[0]


def _fit(recalibration: Recalibration) -> Number:
    def mean_confidence(p: Predictions) -> float:
        fitted = recalibration.fit(p.probabilities, p.labels)
        return fitted.transform(p.probabilities).max(axis=1).mean()

    return mean_confidence


def _sets(predictor: conformal.ConformalPredictor) -> Number:
    def size(p: Predictions) -> float:
        predictor.fit(p.probabilities, p.labels)
        return predictor.predict(p.probabilities).sum(axis=1).mean()

    return size


def _gaussian(p: Predictions) -> Gaussian:
    return Gaussian(p.mean, p.deviation)


OURS: dict[str, Number] = {
    "accuracy": _of_labels(metrics.accuracy),
    "nll": _of_labels(metrics.negative_log_likelihood),
    "brier": _of_labels(metrics.brier_score),
    "brier_parts": lambda p: (
        metrics.brier_decomposition(p.probabilities, p.labels).reliability
    ),
    "ece": _of_labels(errors.expected_calibration_error, NUM_BINS),
    "adaptive_ece": _of_labels(errors.adaptive_calibration_error, NUM_BINS),
    "mce": _of_labels(errors.maximum_calibration_error, NUM_BINS),
    "classwise_ece": _of_labels(errors.classwise_calibration_error, NUM_BINS),
    "rms_ce": _of_labels(errors.root_mean_square_calibration_error, NUM_BINS),
    "debiased_ece": _of_labels(errors.debiased_calibration_error, NUM_BINS),
    "kernel_ce": _of_labels(errors.kernel_calibration_error),
    "overconfidence": _of_labels(errors.overconfidence),
    "overconfidence_error": _of_labels(errors.overconfidence_error, NUM_BINS),
    "mean_confidence": lambda p: metrics.mean_confidence(p.probabilities),
    "sharpness": lambda p: metrics.sharpness(p.probabilities),
    "reliability": _diagram,
    "class_reliability": _class_diagrams,
    "confidence_wise": _confidence_diagram,
    "uncertainty": lambda p: decompose(p.samples).mutual_information.mean(),
    "variation_ratio": lambda p: variation_ratio(p.samples).mean(),
    "predictive_variance": lambda p: predictive_variance(p.samples).mean(),
    "aurc": _of_labels(selective.area_under_risk_coverage),
    "augrc": _of_labels(selective.area_under_generalised_risk_coverage),
    "excess_aurc": _of_labels(selective.excess_area),
    "coverage_at_risk": _coverage,
    "risk_at_coverage": _of_labels(selective.risk_at_coverage),
    "auroc": _of_scores(ood.auroc),
    "aupr_out": _of_scores(ood.aupr_out),
    "aupr_in": _of_scores(ood.aupr_in),
    "fpr95": _of_scores(ood.fpr_at_recall),
    "detection_error": _of_scores(ood.detection_error),
    "temperature": lambda p: (
        TemperatureScaling().fit(p.probabilities, p.labels).temperature_
    ),
    "vector": _fit(VectorScaling()),
    "matrix": _fit(MatrixScaling()),
    "beta": _fit(BetaCalibration()),
    "histogram": _fit(HistogramBinning()),
    "isotonic": _isotonic,
    "conformal_thr": _sets(conformal.ConformalTHR()),
    "conformal_aps": _sets(conformal.ConformalAPS()),
    "conformal_raps": _sets(conformal.ConformalRAPS()),
    "paired_nll": lambda p: comparison.paired_differences(
        p.samples[0], p.samples[1], p.labels, ("nll",)
    )["nll"],
    "regression_nll": lambda p: regression.regression_nll(_gaussian(p), p.targets),
    "interval_coverage": lambda p: regression.interval_coverage(
        _gaussian(p), p.targets
    ),
    "crps": lambda p: regression.crps(_gaussian(p), p.targets),
    "crps_draws": lambda p: regression.crps(Empirical(p.draws), p.targets),
    "quantile_calibration": lambda p: regression.quantile_calibration_error(
        _gaussian(p), p.targets
    ),
}
