"""Which examples to look at: the extremes of certainty, error and disagreement."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one, check_probabilities
from calibration.reliability import top_label
from calibration.uncertainty import decompose


def select_examples(
    probabilities: ArrayLike, labels: ArrayLike, count: int
) -> dict[str, NDArray[np.intp]]:
    """Pick the most telling examples of each kind.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        count: How many of each kind, at least 1; fewer come back where there are fewer.

    Returns:
        Indices into the examples, the most extreme first and equals in their own order:
        "most_certain" and "least_certain" by predictive entropy; "confidently_wrong",
        the wrong predictions by confidence; and, given two samples or more,
        "most_epistemic" by mutual information.
    """
    count = check_at_least_one(count, "count")
    probabilities = check_probabilities(probabilities)
    confidence, correct = top_label(probabilities, labels)
    parts = decompose(probabilities)
    wrong = np.flatnonzero(~correct)
    chosen = {
        "most_certain": _smallest(parts.total, count),
        "least_certain": _smallest(-parts.total, count),
        "confidently_wrong": wrong[_smallest(-confidence[wrong], count)],
    }
    if probabilities.ndim == 3 and len(probabilities) > 1:
        chosen["most_epistemic"] = _smallest(-parts.mutual_information, count)
    return chosen


def _smallest(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    return np.argsort(values, kind="stable")[:count]
