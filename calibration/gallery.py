"""Which examples to look at: the extremes of certainty, error and disagreement."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import check_at_least_one
from calibration._predictions import Judged


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
    judged = Judged(probabilities, labels)
    wrong = np.flatnonzero(~judged.correct)
    chosen = {
        "most_certain": _smallest(judged.total, count),
        "least_certain": _smallest(-judged.total, count),
        "confidently_wrong": wrong[_smallest(-judged.confidence[wrong], count)],
    }
    if judged.num_samples > 1:
        chosen["most_epistemic"] = _smallest(-judged.mutual_information, count)
    return chosen


def _smallest(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    return np.argsort(values, kind="stable")[:count]
