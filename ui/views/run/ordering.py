"""Which examples a gallery shows, and in which order: that of `calibration`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ui.components.predictions import Part

# As in `calibration.select_examples`, in words.
LEAST_CERTAIN = "Highest entropy"
MOST_EPISTEMIC = "Highest mutual information"
CONFIDENTLY_WRONG = "Confidently wrong"
MOST_CERTAIN = "Lowest entropy"
MEANING = {
    LEAST_CERTAIN: "what the network is least certain of comes first.",
    MOST_EPISTEMIC: "where the weight samples disagree most comes first: the network "
    "lacks data there.",
    CONFIDENTLY_WRONG: "wrong predictions alone, the most confident first.",
    MOST_CERTAIN: "what the network is most certain of comes first.",
}


@dataclass(frozen=True)
class Filters:
    """What is shown of a set.

    Args:
        order: One of the keys of `MEANING`.
        true: Only examples of this class; None for all.
        predicted: Only those predicted to be of this class.
        only_wrong: Only wrong predictions.
    """

    order: str = LEAST_CERTAIN
    true: int | None = None
    predicted: int | None = None
    only_wrong: bool = False


def orders(part: Part) -> list[str]:
    """The orders that make sense for a set."""
    found = [LEAST_CERTAIN]
    if part.num_samples > 1:
        found.append(MOST_EPISTEMIC)
    if part.labels is not None:
        found.append(CONFIDENTLY_WRONG)
    return [*found, MOST_CERTAIN]


def chosen_rows(
    part: Part, filters: Filters, shown: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows of a set that pass the filters, in their order.

    Args:
        part: The set.
        filters: What is wanted.
        shown: Rows that can be shown, [K].

    Returns:
        Rows, the first to show first, equals as they stand in the set.
    """
    passing = np.zeros(len(part), dtype=bool)
    passing[shown[shown < len(part)]] = True
    wrong = filters.only_wrong or filters.order == CONFIDENTLY_WRONG
    if part.labels is not None:
        if filters.true is not None:
            passing &= part.labels == filters.true
        if wrong:
            passing &= ~part.correct
    if filters.predicted is not None:
        passing &= part.prediction == filters.predicted
    rows = np.flatnonzero(passing)
    return rows[np.argsort(_keys(part, filters.order)[rows], kind="stable")]


def _keys(part: Part, order: str) -> NDArray[np.float64]:
    """What to sort by, ascending."""
    if order == MOST_EPISTEMIC:
        return -part.mutual_information
    if order == CONFIDENTLY_WRONG:
        return -part.confidence.astype(np.float64)
    return part.total if order == MOST_CERTAIN else -part.total
