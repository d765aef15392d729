"""What stands beside each other: predictions as they are, and recalibrated."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.runs import Run
from ui.components import predictions
from ui.views.run.recalibration import NONE, fitted

BEFORE = "Before"
PREDICTED = -1  # in place of a class: whichever was predicted


@dataclass(frozen=True, eq=False)
class Side:
    """Predictions of test examples, as they are or recalibrated.

    Args:
        probabilities: [N, C].
        labels: [N].
        rows: Which test examples they are, ascending, [N].
        of: A class, or `PREDICTED`.
    """

    probabilities: NDArray[Any]
    labels: NDArray[Any]
    rows: NDArray[np.intp]
    of: int

    @cached_property
    def said(self) -> NDArray[np.intp]:
        """Predicted classes, [N]."""
        found: NDArray[np.intp] = self.probabilities.argmax(-1)
        return found

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """What the diagram bins, [N]."""
        rows = self.probabilities
        found = rows.max(-1) if self.of == PREDICTED else rows[:, self.of]
        return np.asarray(found, np.float64)

    @cached_property
    def came_true(self) -> NDArray[np.bool_]:
        """Whether what the confidence promised was so, [N]."""
        found: NDArray[np.bool_] = self.labels == (
            self.said if self.of == PREDICTED else self.of
        )
        return found


def sides(run: Run, method: str, of: int = PREDICTED) -> dict[str, Side]:
    """All test examples, or those judged, before and after a recalibration.

    Args:
        run: An evaluated run.
        method: Name of a recalibration, or "none".
        of: A class, or `PREDICTED`.

    Returns:
        `BEFORE` first, and the recalibrated ones under its title.

    Raises:
        RunError: If the predictions cannot be read.
    """
    found = None if method == NONE else fitted(run)
    if found is None:
        test = predictions.part(run)
        assert test.labels is not None
        return {BEFORE: Side(test.mean, test.labels, np.arange(len(test)), of)}
    before, labels = found.halves.score, found.halves.score_labels
    after = found.results[method].probabilities
    return {
        BEFORE: Side(before, labels, found.rows, of),
        found.told(method): Side(after, labels, found.rows, of),
    }
