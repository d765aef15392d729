"""What is fitted on some examples and judged on others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration._checks import check_labels, predictive
from calibration.conformal import (
    ConformalAPS,
    ConformalRAPS,
    ConformalTHR,
    evaluate_sets,
)
from calibration.metrics import negative_log_likelihood
from calibration.recalibration import (
    RecalibrationResult,
    TemperatureScaling,
    best,
    compare_recalibrations,
    left_out,
    split_half,
)
from calibration.report.data import (
    Conformal,
    ConformalRow,
    RecalibratedMethod,
    RecalibrationSection,
)
from calibration.report.measuring.calibration import top_label_bins
from calibration.report.predictions import Predictions

TITLES = {
    "temperature": "Temperature scaling",
    "vector": "Vector scaling",
    "matrix": "Matrix scaling (ODIR)",
    "beta": "Beta calibration",
    "histogram": "Histogram binning",
    "isotonic": "Isotonic regression",
}
MISS_RATES = (0.1, 0.05)
MIN_FITTED = 20  # examples: fewer fit nothing that is worth a table
METHODS = {"THR": ConformalTHR, "APS": ConformalAPS, "RAPS": ConformalRAPS}


@dataclass(frozen=True, kw_only=True, eq=False)
class Halves:
    """Examples to fit on and examples to judge on, none of which is in both.

    Args:
        fit: Posterior predictive, ``[F, C]``.
        fit_labels: True classes, ``[F]``.
        score: Posterior predictive, ``[N', C]``.
        score_labels: True classes, ``[N']``.
        held_out: Whether those to fit on are apart from the test set.
        sentence: What the two are.
    """

    fit: NDArray[np.float64]
    fit_labels: NDArray[np.intp]
    score: NDArray[np.float64]
    score_labels: NDArray[np.intp]
    held_out: bool
    sentence: str


def halves(
    predictions: Predictions, mean: NDArray[np.float64], labels: NDArray[np.intp]
) -> Halves | None:
    """Take validation examples to fit on, or else one half of the test examples.

    Args:
        predictions: The model's predictions.
        mean: Its posterior predictive on the test examples, ``[N, C]``.
        labels: Their classes, ``[N]``.

    Returns:
        The two parts; None where there are too few examples to fit on.
    """
    held_out = predictions.validation is not None
    if predictions.validation is not None:
        rows = predictive(predictions.validation[0], "validation_probabilities")
        truth = check_labels(predictions.validation[1], *rows.shape)
        parts = rows, truth, mean, labels
        sentence = "Fitted on validation examples, judged on the test examples."
    elif len(labels) < 2 * MIN_FITTED:
        return None
    else:
        first, second = split_half(len(labels), labels)
        parts = mean[first], labels[first], mean[second], labels[second]
        sentence = (
            "No validation predictions were given: fitted on a random half of the test "
            "examples, judged on the other half."
        )
    if len(parts[1]) < MIN_FITTED:
        return None
    return Halves(
        fit=parts[0], fit_labels=parts[1], score=parts[2], score_labels=parts[3],
        held_out=held_out, sentence=sentence,
    )  # fmt: skip


def recalibration(parts: Halves, num_bins: int) -> RecalibrationSection:
    """Fit every recalibration method, and judge it on the other examples.

    Args:
        parts: Examples to fit and to judge on.
        num_bins: Bins of the calibration error and of the diagrams.

    Returns:
        The section.
    """
    results = compare_recalibrations(
        parts.fit, parts.fit_labels, parts.score, parts.score_labels, num_bins=num_bins
    )
    chosen = best(results)
    return RecalibrationSection(
        fitted_on=parts.sentence,
        held_out=parts.held_out,
        num_fitted=len(parts.fit_labels),
        num_scored=len(parts.score_labels),
        best=chosen.name,
        before=chosen.before,
        validation_nll=float(negative_log_likelihood(parts.fit, parts.fit_labels)),
        bins_before=top_label_bins(parts.score, parts.score_labels, num_bins),
        bins_after=[]
        if chosen.name == "none"
        else top_label_bins(chosen.probabilities, parts.score_labels, num_bins),
        methods=[_method(each) for each in results if each.name != "none"],
        left_out=left_out(*parts.fit.shape),
    )


def _method(result: RecalibrationResult) -> RecalibratedMethod:
    fitted = ""
    if isinstance(result.recalibration, TemperatureScaling):
        fitted = f"T = {result.recalibration.temperature_:.3g}"
    return RecalibratedMethod(
        name=result.name,
        title=TITLES[result.name],
        num_parameters=result.num_parameters,
        fitted=fitted,
        metrics=result.after,
        nll_change=result.nll_difference,
        validation_nll=float(result.validation_nll),
    )


def conformal(parts: Halves, miss_rates: Sequence[float] = MISS_RATES) -> Conformal:
    """Fit conformal sets, and count how often they hold the true class.

    Args:
        parts: Examples to fit and to judge on.
        miss_rates: Shares of examples whose set may miss the true class.

    Returns:
        The section.
    """
    rows = []
    for rate in miss_rates:
        for name, method in METHODS.items():
            sets = method(alpha=rate).fit(parts.fit, parts.fit_labels)
            found = evaluate_sets(sets.predict(parts.score), parts.score_labels)
            rows.append(
                ConformalRow(
                    method=name,
                    promised=1 - rate,
                    coverage=found.coverage,
                    size=found.mean_size,
                    singletons=float(found.singletons),
                    empty=float(found.empty),
                )
            )
    return Conformal(
        fitted_on=parts.sentence,
        held_out=parts.held_out,
        num_fitted=len(parts.fit_labels),
        rows=rows,
    )
