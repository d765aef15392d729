"""Headline numbers: accuracy, and how far the probabilities can be trusted.

Each takes ``[N, C]``, or ``[S, N, C]`` and then judges the posterior predictive, the
mean over the S samples (not the mean of the samples' own scores, which is another and,
for the two proper scores, never a smaller number).

*Papers*: Brier (1950), Monthly Weather Review 78:1, eq. 2; Gneiting and Raftery (2007),
JASA 102:359, on proper scores; Guo et al. (2017), arXiv:1706.04599, on ECE.
"""

import numpy as np
from numpy.typing import ArrayLike

from calibration._checks import predictive_and_labels
from calibration.reliability import reliability_diagram, top_label

# A label that was given probability 0 costs -log(2.2e-308) = 708.4 nats, not infinity,
# which no mean, chart or JSON file survives.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).tiny)


def accuracy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the fraction of examples whose most probable class is the true one.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.

    Returns:
        A fraction in 0..1; of equally probable classes the first is the prediction.
    """
    return float(top_label(probabilities, labels)[1].mean())


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of -log p(true class), in nats.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.

    Returns:
        Nats per example, from 0 (certain and right) to 708.4, the price of a true
        class held impossible (`SMALLEST_PROBABILITY`).
    """
    mean, labels = predictive_and_labels(probabilities, labels)
    likelihood = mean[np.arange(len(labels)), labels]
    # Adding 0.0 turns the -0.0 of certainty into 0.0.
    return float(-np.log(np.maximum(likelihood, SMALLEST_PROBABILITY)).mean()) + 0.0


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the squared distance to the one-hot label, summed over classes.

    Brier's own form. For two classes it is twice the one-column form that some
    libraries print under the same name.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.

    Returns:
        The mean over examples, from 0 (certain and right) to 2 (certain and wrong).
    """
    errors, labels = predictive_and_labels(probabilities, labels)
    errors[np.arange(len(labels)), labels] -= 1
    return float((errors**2).sum(axis=1).mean())


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, num_bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over confidence bins.

    The number depends on the bins and, with few examples, is biased upwards: give
    `num_bins` and N beside it, or better the diagram itself.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Number of equal-width bins, at least 1.

    Returns:
        A fraction in 0..1; 0 is best.
    """
    return reliability_diagram(probabilities, labels, num_bins).ece
