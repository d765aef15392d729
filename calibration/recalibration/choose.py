"""Try every recalibration, measure each on other data, and choose one honestly.

Three roles that must not share examples: a map learns from the fitting data, is chosen
by cross-validation within the fitting data, and is measured on the scored data. To
choose by the scores of the test set would make them too good. Without a validation
set, `split_half` divides the test set into one half to fit and one to score.

*Papers*: Guo et al. (2017), arXiv:1706.04599, section 5, for fitting on validation;
Stone (1974), JRSS B 36:111, for choosing by cross-validation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from calibration._checks import check_labels, predictive_and_labels
from calibration.estimate import Estimate
from calibration.intervals import mean
from calibration.measures import headline
from calibration.metrics import LARGEST_NLL, nll_of_examples
from calibration.recalibration.base import Array, Identity, Recalibration
from calibration.recalibration.beta import BetaCalibration
from calibration.recalibration.histogram import HistogramBinning
from calibration.recalibration.isotonic import IsotonicCalibration
from calibration.recalibration.linear import MatrixScaling, VectorScaling
from calibration.recalibration.temperature import TemperatureScaling

# From the one that learns least to the one that learns most.
DEFAULT_METHODS: Mapping[str, Recalibration] = MappingProxyType({
    "none": Identity(),
    "temperature": TemperatureScaling(),
    "vector": VectorScaling(),
    "beta": BetaCalibration(),
    "matrix": MatrixScaling(),
    "histogram": HistogramBinning(),
    "isotonic": IsotonicCalibration(),
})
NUM_FOLDS = 5
# More examples tell maps of this size apart no better, and take longer.
MAX_CROSS_VALIDATED = 50_000

_FOLD_SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class RecalibrationResult:
    """One recalibration, fitted and measured.

    Args:
        name: Its name in the methods that were compared.
        recalibration: The map, fitted on all of the fitting data.
        probabilities: The scored data, recalibrated, ``[N, C]``.
        before: "accuracy", "nll", "brier" and "ece" of the scored data as they were.
        after: The same of the recalibrated probabilities.
        nll_difference: NLL after less before, example by example, in nats; below 0 the
            map helped.
        validation_nll: Mean NLL of fitting examples under maps that had not seen them
            (cross-validation), in nats. The examples of a fold share a map, so that
            its interval is a little narrow.
    """

    name: str
    recalibration: Recalibration
    probabilities: Array
    before: dict[str, Estimate]
    after: dict[str, Estimate]
    nll_difference: Estimate
    validation_nll: Estimate

    @property
    def num_parameters(self) -> int:
        """How many numbers the map learned."""
        return self.recalibration.num_parameters_


def compare_recalibrations(
    fit_probabilities: ArrayLike,
    fit_labels: ArrayLike,
    probabilities: ArrayLike,
    labels: ArrayLike,
    methods: Mapping[str, Recalibration] = DEFAULT_METHODS,
    num_bins: int = 15,
) -> list[RecalibrationResult]:
    """Fit recalibrations on some examples and measure them on others.

    Args:
        fit_probabilities: Class probabilities to fit to, such as those of the
            validation set, ``[M, C]`` or ``[S, M, C]``, M at least 2.
        fit_labels: Their true classes, ``[M]``.
        probabilities: Class probabilities to score, ``[N, C]`` or ``[S, N, C]``.
        labels: Their true classes, ``[N]``.
        methods: Recalibrations by name; they are copied, not changed.
        num_bins: Bins of the calibration error, at least 1.

    Returns:
        A result for each method, in their order, but for those that `left_out` names.

    Raises:
        ValueError: If an argument is invalid.
    """
    fit_scores, fit_labels = predictive_and_labels(fit_probabilities, fit_labels)
    scores, labels = predictive_and_labels(probabilities, labels)
    if len(fit_scores) < 2:
        raise ValueError("fit_probabilities must hold at least 2 examples, got 1.")
    if scores.shape[1] != fit_scores.shape[1]:
        raise ValueError(
            f"probabilities must have the {fit_scores.shape[1]} classes of "
            f"fit_probabilities, got {scores.shape[1]}."
        )
    before = headline(scores, labels, num_bins)
    losses = nll_of_examples(scores, labels)
    results = []
    for name, method in methods.items():
        if method.obstacle(*fit_scores.shape):
            continue
        fitted = clone(method).fit(fit_scores, fit_labels)
        recalibrated = fitted.transform(scores)
        change = nll_of_examples(recalibrated, labels) - losses
        result = RecalibrationResult(
            name=name,
            recalibration=fitted,
            probabilities=recalibrated,
            before=before,
            after=headline(recalibrated, labels, num_bins),
            nll_difference=mean(change, (-LARGEST_NLL, LARGEST_NLL)),
            validation_nll=_cross_validated(method, fit_scores, fit_labels),
        )
        results.append(result)
    return results


def left_out(
    num_examples: int,
    num_classes: int,
    methods: Mapping[str, Recalibration] = DEFAULT_METHODS,
) -> dict[str, str]:
    """Say which methods `compare_recalibrations` leaves out, and why.

    Args:
        num_examples: M of the fitting data.
        num_classes: C.
        methods: Recalibrations by name.

    Returns:
        Reasons such as "needs at least 110 examples, got 64", by name.
    """
    reasons = {
        name: method.obstacle(num_examples, num_classes)
        for name, method in methods.items()
    }
    return {name: reason for name, reason in reasons.items() if reason}


def best(results: Sequence[RecalibrationResult]) -> RecalibrationResult:
    """Choose the recalibration of least NLL in cross-validation.

    Args:
        results: What `compare_recalibrations` gave; at least one.

    Returns:
        The result, the first of equals. The scores were not looked at, and so remain
        those of data that nothing was fitted to.

    Raises:
        ValueError: If there are no results.
    """
    if not results:
        raise ValueError("results must hold at least one result, got none.")
    return min(results, key=lambda result: float(result.validation_nll))


def split_half(
    num_examples: int, labels: ArrayLike, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Divide examples at random into two halves with the same share of each class.

    Args:
        num_examples: N, at least 2.
        labels: True classes, whole numbers from 0, ``[N]``.
        seed: Another seed gives another division.

    Returns:
        Indices of the half to fit, ``[N - N // 2]``, and of the half to score,
        ``[N // 2]``, in increasing order. The counts of a class differ by at most one.

    Raises:
        ValueError: If there are fewer than two examples, or the labels are invalid.
    """
    if num_examples < 2:
        raise ValueError(f"num_examples must be at least 2, got {num_examples}.")
    classes = check_labels(labels, num_examples, np.iinfo(np.intp).max)
    parts = _in_parts(classes, 2, seed)
    return np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)


def _in_parts(labels: NDArray[np.intp], num_parts: int, seed: int) -> NDArray[np.intp]:
    """Deal examples into parts class by class, in random order; ``[N]``."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    parts = np.empty(len(labels), dtype=np.intp)
    parts[order] = np.arange(len(labels)) % num_parts
    return parts


def _cross_validated(
    method: Recalibration, scores: Array, labels: NDArray[np.intp]
) -> Estimate:
    """Mean NLL of examples under maps fitted to the other folds."""
    if len(labels) > MAX_CROSS_VALIDATED:
        order = np.random.default_rng(_FOLD_SEED).permutation(len(labels))
        chosen = order[:MAX_CROSS_VALIDATED]
        scores, labels = scores[chosen], labels[chosen]
    num_folds = min(NUM_FOLDS, len(labels))
    fold = _in_parts(labels, num_folds, _FOLD_SEED)
    losses = np.empty(len(labels))
    for index in range(num_folds):
        held = fold == index
        fitted = clone(method).fit(scores[~held], labels[~held])
        losses[held] = nll_of_examples(fitted.transform(scores[held]), labels[held])
    return mean(losses, (0.0, LARGEST_NLL))
