"""Every measure of a classifier at once, by the names of `calibration.definitions`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration import _errors as errors
from calibration._predictions import Judged, Predicted
from calibration.brier import parts_of
from calibration.estimate import UNIT, Estimate
from calibration.intervals import mean
from calibration.metrics import (
    accuracy_of,
    brier_of,
    confidence_of,
    nll_of,
    sharpness_of,
)
from calibration.uncertainty import dissent

# The proper scores, accuracy and the best-known calibration error: what is compared
# and tracked.
HEADLINE = ("accuracy", "nll", "brier", "ece")

_BINNED: Mapping[str, Callable[[Judged, int], Estimate]] = MappingProxyType({
    "adaptive_ece": errors.adaptive_error,
    "debiased_ece": errors.debiased_error,
    "rms_ce": errors.root_mean_square_error,
    "mce": errors.maximum_error,
    "classwise_ece": errors.classwise_error,
    "overconfidence_error": errors.promised_error,
})


def headline(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Measure accuracy, NLL, Brier score and expected calibration error.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Bins of the calibration error, at least 1.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals`.

    Returns:
        "accuracy", "nll", "brier" and "ece".
    """
    return headline_of(Judged(probabilities, labels, groups), num_bins)


def headline_of(judged: Judged, num_bins: int) -> dict[str, Estimate]:
    """`headline` of checked predictions."""
    scores = accuracy_of(judged), nll_of(judged), brier_of(judged)
    ece = errors.expected_error(judged, num_bins)
    return dict(zip(HEADLINE, (*scores, ece), strict=True))


def measure(
    probabilities: ArrayLike,
    labels: ArrayLike,
    num_bins: int = 15,
    groups: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Measure all there is to measure of a classifier's calibration and uncertainty.

    Args:
        probabilities: Class probabilities, ``[N, C]``, or ``[S, N, C]`` for the
            posterior predictive of S samples.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Bins of the binned measures, at least 1.
        groups: Cluster of each example (its image, patient, user), ``[N]``: intervals
            then take clusters for independent, not examples.

    Returns:
        Estimates by name; `calibration.definitions.MEASURES` says what each is.
    """
    return measures_of(Judged(probabilities, labels, groups), num_bins)


def measures_of(judged: Judged, num_bins: int) -> dict[str, Estimate]:
    """`measure` of checked predictions."""
    found = headline_of(judged, num_bins)
    parts = parts_of(judged, num_bins)
    for part in ("reliability", "resolution", "uncertainty"):
        found[f"brier_{part}"] = getattr(parts, part)
    for name, each in _BINNED.items():
        found[name] = each(judged, num_bins)
    found["kernel_ce"] = errors.kernel_error(judged)
    found["overconfidence"] = errors.signed_error(judged)
    found["mean_confidence"] = confidence_of(judged, judged.groups)
    found["sharpness"] = sharpness_of(judged, judged.groups)
    return found | uncertainty_of(judged, judged.groups)


def mean_uncertainty(
    probabilities: ArrayLike, groups: ArrayLike | None = None
) -> dict[str, Estimate]:
    """Measure how uncertain a model is on average, right or wrong.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        groups: Cluster of each example, ``[N]``.

    Returns:
        "predictive_entropy", "expected_entropy", "mutual_information", in nats, and
        "variation_ratio".
    """
    return uncertainty_of(Predicted(probabilities), groups)


def uncertainty_of(found: Predicted, groups: ArrayLike | None) -> dict[str, Estimate]:
    """`mean_uncertainty` of checked predictions."""
    bounds = (0.0, float(np.log(found.rows.shape[1])))
    nats: dict[str, NDArray[np.float64]] = {
        "predictive_entropy": found.total,
        "expected_entropy": found.expected,
        "mutual_information": found.mutual_information,
    }
    means = {name: mean(values, bounds, groups) for name, values in nats.items()}
    return means | {"variation_ratio": mean(dissent(found.samples), UNIT, groups)}
