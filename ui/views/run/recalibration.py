"""What recalibration makes of a run's predictions, as the report measures it.

Every method is fitted on the validation examples, or on one half of the test examples
where there are none, and judged on the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from calibration import (
    Difference,
    Estimate,
    adaptive_calibration_error,
    classwise_calibration_error,
    headline,
    maximum_calibration_error,
    mean_confidence,
    overconfidence,
    paired_differences,
)
from trainers.runs import Run
from ui.components import predictions
from ui.components.formats import compact
from ui.components.latest import Stamp, stamp_of

if TYPE_CHECKING:
    from calibration.recalibration import RecalibrationResult
    from calibration.report.measuring.fitted import Halves

NONE = "none"


@dataclass(frozen=True, eq=False)
class Fitted:
    """All recalibrations of a run's predictions.

    Args:
        halves: What they were fitted and are judged on.
        rows: Of the test examples, those that are judged, [N'].
        results: By name of the method, "none" first.
        best: Name of the one of least cross-validated NLL.
        left_out: Methods that could not be fitted, with the reason.
    """

    halves: "Halves"
    rows: NDArray[np.intp]
    results: Mapping[str, "RecalibrationResult"]
    best: str
    left_out: Mapping[str, str]

    def title(self, name: str) -> str:
        """The name of a method for people."""
        from calibration.report.measuring.fitted import TITLES

        return TITLES[name]

    def told(self, name: str) -> str:
        """The same with the temperature, if it has one."""
        from calibration.recalibration import TemperatureScaling

        method = self.results[name].recalibration
        if isinstance(method, TemperatureScaling):
            return f"{self.title(name)}, T = {compact(method.temperature_)}"
        return self.title(name)


def fitted(run: Run) -> Fitted | None:
    """Fit every method to a run's predictions; None for too few examples.

    Raises:
        RunError: If the predictions cannot be read.
    """
    return _fitted(str(run.path), stamp_of(run.predictions))


def halves_of(run: Run) -> "Halves | None":
    """What is fitted on and judged on, as in the report; None for too few examples."""
    return _halves(str(run.path), stamp_of(run.predictions))


@st.cache_resource(max_entries=8, show_spinner=False)
def _halves(path: str, stamp: Stamp) -> "Halves | None":  # noqa: ARG001
    from calibration.report.measuring.fitted import halves
    from calibration.report.predictions import Predictions

    run = Run(Path(path))
    test, others = predictions.part(run), None
    assert test.labels is not None
    if predictions.VALIDATION in predictions.parts(run):
        found = predictions.part(run, predictions.VALIDATION)
        assert found.labels is not None
        others = found.mean, found.labels
    given = Predictions(
        name=run.id, probabilities=test.mean, labels=test.labels, validation=others
    )
    # Conformal sets are random by the very bits of the probabilities.
    return halves(given, test.exact_mean(), test.labels)


@st.cache_resource(max_entries=8, show_spinner="Fitting recalibrations…")
def _fitted(path: str, stamp: Stamp) -> Fitted | None:
    from calibration.recalibration import (
        best,
        compare_recalibrations,
        left_out,
        split_half,
    )

    halves = _halves(path, stamp)
    if halves is None:
        return None
    labels = predictions.part(Run(Path(path))).labels
    assert labels is not None
    rows = np.arange(len(labels))
    if not halves.held_out:
        rows = split_half(len(labels), labels)[1]
    results = compare_recalibrations(
        halves.fit, halves.fit_labels, halves.score, halves.score_labels
    )
    return Fitted(
        halves=halves,
        rows=rows,
        results={each.name: each for each in results},
        best=best(results).name,
        left_out=left_out(*halves.fit.shape),
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """What predictions are worth, before a recalibration and after it.

    Args:
        before: Estimates by name.
        after: The same of recalibrated predictions; None without any.
        differences: After less before, where the library pairs them.
    """

    before: Mapping[str, Estimate]
    after: Mapping[str, Estimate] | None
    differences: Mapping[str, Difference]


def measured(run: Run, method: str, num_bins: int) -> Measured:
    """Measure a run's predictions on all test examples, or beside a recalibration.

    Args:
        run: The run.
        method: Name of a result of `fitted`, or "none".
        num_bins: Bins of the binned measures.
    """
    return _measured(str(run.path), stamp_of(run.predictions), method, num_bins)


@st.cache_resource(max_entries=64, show_spinner=False)
def _measured(path: str, stamp: Stamp, method: str, num_bins: int) -> Measured:
    if method == NONE:
        test = predictions.part(Run(Path(path)))
        assert test.labels is not None
        return Measured(_measures(test.exact_mean(), test.labels, num_bins), None, {})
    found = _fitted(path, stamp)
    assert found is not None
    before, labels = found.halves.score, found.halves.score_labels
    after = found.results[method].probabilities
    return Measured(
        _measures(before, labels, num_bins),
        _measures(after, labels, num_bins),
        paired_differences(after, before, labels, num_bins=num_bins),
    )


def _measures(
    probabilities: NDArray[Any], labels: NDArray[Any], num_bins: int
) -> dict[str, Estimate]:
    given = probabilities, labels
    return headline(*given, num_bins) | {
        "adaptive_ece": adaptive_calibration_error(*given, num_bins),
        "classwise_ece": classwise_calibration_error(*given, num_bins),
        "mce": maximum_calibration_error(*given, num_bins),
        "overconfidence": overconfidence(*given),
        "mean_confidence": mean_confidence(probabilities),
    }
