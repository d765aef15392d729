"""Every measure of a classifier at once, by the names of `calibration.definitions`."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration import calibration_errors as errors
from calibration import metrics
from calibration._checks import check_labels, check_probabilities, predictive
from calibration.intervals import UNIT, Estimate, mean
from calibration.uncertainty import decompose, variation_ratio

Measure = Callable[..., Estimate]

# The proper scores and the best-known calibration error: what is compared and tracked.
HEADLINE: dict[str, Measure] = {
    "accuracy": metrics.accuracy,
    "nll": metrics.negative_log_likelihood,
    "brier": metrics.brier_score,
}


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
    rows = predictive(probabilities)
    found = {n: each(rows, labels, groups=groups) for n, each in HEADLINE.items()}
    ece = errors.expected_calibration_error(rows, labels, num_bins, groups=groups)
    return found | {"ece": ece}


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
    samples = check_probabilities(probabilities)
    rows = predictive(samples)
    labels = check_labels(labels, *rows.shape)
    found = headline(rows, labels, num_bins, groups)
    parts = metrics.brier_decomposition(rows, labels, num_bins, groups=groups)
    for part in ("reliability", "resolution", "uncertainty"):
        found[f"brier_{part}"] = getattr(parts, part)
    for name, each in _binned(num_bins).items():
        found[name] = each(rows, labels, groups=groups)
    found["kernel_ce"] = errors.kernel_calibration_error(rows, labels, groups=groups)
    found["overconfidence"] = errors.overconfidence(rows, labels, groups=groups)
    found["mean_confidence"] = metrics.mean_confidence(rows, groups=groups)
    found["sharpness"] = metrics.sharpness(rows, groups=groups)
    return found | mean_uncertainty(samples, groups)


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
    samples = check_probabilities(probabilities)
    parts = decompose(samples)
    bounds = (0.0, float(np.log(samples.shape[-1])))
    nats: dict[str, NDArray[np.float64]] = {
        "predictive_entropy": parts.total,
        "expected_entropy": parts.expected,
        "mutual_information": parts.mutual_information,
    }
    found = {name: mean(values, bounds, groups) for name, values in nats.items()}
    return found | {"variation_ratio": mean(variation_ratio(samples), UNIT, groups)}


def _binned(num_bins: int) -> dict[str, Measure]:
    binned: dict[str, Measure] = {
        "adaptive_ece": errors.adaptive_calibration_error,
        "debiased_ece": errors.debiased_calibration_error,
        "rms_ce": errors.root_mean_square_calibration_error,
        "mce": errors.maximum_calibration_error,
        "classwise_ece": errors.classwise_calibration_error,
        "overconfidence_error": errors.overconfidence_error,
    }
    return {name: partial(each, num_bins=num_bins) for name, each in binned.items()}
