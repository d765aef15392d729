"""Headline numbers: accuracy, and how far the probabilities can be trusted.

Each takes ``[N, C]``, or ``[S, N, C]`` and then judges the posterior predictive, the
mean over the S samples (not the mean of the samples' own scores, which is another and,
for the two proper scores, never a smaller number).

*Papers*: Brier (1950), Monthly Weather Review 78:1, eq. 2; Gneiting and Raftery (2007),
JASA 102:359, on proper scores. Sharpness is that of Gneiting, Balabdaoui and Raftery
(2007), JRSS B 69:243, in squares: its expectation is one less the Brier score where
labels are drawn from the probabilities. `calibration.brier` has the score's parts.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._predictions import Judged, Predicted
from calibration.brier import LARGEST_BRIER, BrierDecomposition, brier_decomposition
from calibration.estimate import Estimate
from calibration.intervals import mean, proportion

__all__ = [
    "LARGEST_BRIER",
    "LARGEST_NLL",
    "SMALLEST_PROBABILITY",
    "BrierDecomposition",
    "accuracy",
    "brier_decomposition",
    "brier_of_examples",
    "brier_score",
    "hits_of_examples",
    "mean_confidence",
    "negative_log_likelihood",
    "nll_of_examples",
    "sharpness",
]

# A label that was given probability 0 costs -log(2.2e-308) = 708.4 nats, not infinity,
# which no mean, chart or JSON file survives.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).tiny)

LARGEST_NLL = -float(np.log(SMALLEST_PROBABILITY))

Rows = NDArray[np.float64]
Labels = NDArray[np.intp]


def accuracy(
    probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None
) -> Estimate:
    """Return the fraction of examples whose most probable class is the true one.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        groups: Cluster of each example, ``[N]``; see `calibration.intervals`.

    Returns:
        A fraction in 0..1; of equally probable classes the first is the prediction.

    Raises:
        ValueError: If an argument is outside its range.
    """
    return accuracy_of(Judged(probabilities, labels, groups))


def negative_log_likelihood(
    probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None
) -> Estimate:
    """Return the mean of -log p(true class), in nats.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        groups: Cluster of each example, ``[N]``.

    Returns:
        Nats per example, from 0 (certain and right) to 708.4, the price of a true
        class held impossible (`SMALLEST_PROBABILITY`).

    Raises:
        ValueError: If an argument is outside its range.
    """
    return nll_of(Judged(probabilities, labels, groups))


def brier_score(
    probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None
) -> Estimate:
    """Return the squared distance to the one-hot label, summed over classes.

    Brier's own form. For two classes it is twice the one-column form that some
    libraries print under the same name.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        groups: Cluster of each example, ``[N]``.

    Returns:
        The mean over examples, from 0 (certain and right) to 2 (certain and wrong).

    Raises:
        ValueError: If an argument is outside its range.
    """
    return brier_of(Judged(probabilities, labels, groups))


def sharpness(probabilities: ArrayLike, groups: ArrayLike | None = None) -> Estimate:
    """Return the mean over examples of the sum over classes of p^2.

    It knows no labels: of two models equally calibrated, the sharper tells more.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        groups: Cluster of each example, ``[N]``.

    Returns:
        From 1/C, where all classes are equally probable, to 1, where one is certain.

    Raises:
        ValueError: If an argument is outside its range.
    """
    return sharpness_of(Predicted(probabilities), groups)


def mean_confidence(
    probabilities: ArrayLike, groups: ArrayLike | None = None
) -> Estimate:
    """Return the mean probability of the most probable class.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        groups: Cluster of each example, ``[N]``.

    Returns:
        From 1/C, where all classes are equally probable, to 1, where one is certain.

    Raises:
        ValueError: If an argument is outside its range.
    """
    return confidence_of(Predicted(probabilities), groups)


def accuracy_of(judged: Judged) -> Estimate:
    """The accuracy of checked predictions."""
    return proportion(judged.correct, judged.groups)


def nll_of(judged: Judged) -> Estimate:
    """The NLL of checked predictions."""
    nats = nll_of_examples(judged.rows, judged.labels)
    return mean(nats, (0.0, LARGEST_NLL), judged.groups)


def brier_of(judged: Judged) -> Estimate:
    """The Brier score of checked predictions."""
    scores = brier_of_examples(judged.rows, judged.labels)
    return mean(scores, (0.0, LARGEST_BRIER), judged.groups)


def sharpness_of(found: Predicted, groups: ArrayLike | None) -> Estimate:
    """The sharpness of checked predictions."""
    squares = np.einsum("nc,nc->n", found.rows, found.rows)
    return mean(squares, (1 / found.rows.shape[1], 1.0), groups)


def confidence_of(found: Predicted, groups: ArrayLike | None) -> Estimate:
    """The mean confidence of checked predictions."""
    return mean(found.confidence, (1 / found.rows.shape[1], 1.0), groups)


def hits_of_examples(rows: Rows, labels: Labels) -> NDArray[np.bool_]:
    """Whether the predicted class, the first of equals, is the true one.

    Args:
        rows: Checked class probabilities, ``[N, C]``.
        labels: Class indices, ``[N]``.

    Returns:
        One truth value an example, ``[N]``.
    """
    return np.asarray(rows.argmax(axis=1) == labels)


def nll_of_examples(rows: Rows, labels: Labels) -> NDArray[np.float64]:
    """What each example costs in nats, -log p(true class).

    Args:
        rows: Checked class probabilities, ``[N, C]``.
        labels: Class indices, ``[N]``.

    Returns:
        Nats from 0 to `LARGEST_NLL`, ``[N]``.
    """
    likelihood = rows[np.arange(len(labels)), labels]
    nats: NDArray[np.float64] = -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY))
    return nats


def brier_of_examples(rows: Rows, labels: Labels) -> NDArray[np.float64]:
    """The squared distance of each example to its one-hot label.

    Args:
        rows: Checked class probabilities, ``[N, C]``.
        labels: Class indices, ``[N]``.

    Returns:
        Numbers in 0..2, ``[N]``.
    """
    likelihood = rows[np.arange(len(labels)), labels]
    # Without a copy of p: sum of p^2, less p_y^2, plus (1 - p_y)^2.
    squares: NDArray[np.float64] = np.einsum("nc,nc->n", rows, rows)
    squares += 1 - 2 * likelihood
    # Rounding can leave a certain and right prediction a little below 0.
    return np.maximum(squares, 0.0)
