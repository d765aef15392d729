"""Examples in order of uncertainty, what all of selective prediction starts from.

Examples of equal uncertainty form a *tie*, in which any order is as good as another.
All here is the mean over all those orders: of ``m`` tied examples with ``w`` errors,
the first ``j`` hold ``j w / m`` errors on average. The curve of accepted errors is
therefore a straight line within a tie, and nothing depends on the order of the input.

The same straight lines make the bootstrap cheap: neighbouring ties are joined into at
most `MAX_CELLS` cells, whose counts of examples and errors are all that is resampled.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import as_array, check_groups
from calibration._predictions import Judged
from calibration.bootstrap import deal, sums_by_group

MAX_CELLS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """N examples sorted from certain to uncertain, in B ties.

    Args:
        order: Index of the example at each rank, ``[N]``.
        uncertainty: Uncertainty at each rank, never falling, ``[N]``.
        wrong: Whether the prediction at each rank is an error, ``[N]``.
        starts: First rank of each tie, ``[B]``.
        sizes: Examples in each tie, ``[B]``.
        errors: Errors in each tie, ``[B]``.
    """

    order: NDArray[np.intp]
    uncertainty: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]
    errors: NDArray[np.intp]

    @property
    def num_examples(self) -> int:
        """N."""
        return len(self.order)

    @property
    def num_errors(self) -> int:
        """How many predictions are wrong."""
        return int(self.errors.sum())

    def risks(self) -> NDArray[np.float64]:
        """Expected share of errors among the k most certain, for k = 1..N, ``[N]``."""
        # One quotient of whole numbers each: 5 errors of 100 are the float 0.05, so
        # that risks can be compared with a risk that the caller wrote down.
        earlier = np.cumsum(self.errors) - self.errors
        accepted = np.arange(1, self.num_examples + 1)
        numerators = np.repeat(
            earlier * self.sizes - self.errors * self.starts, self.sizes
        )
        numerators += np.repeat(self.errors, self.sizes) * accepted
        risks: NDArray[np.float64] = numerators / (
            np.repeat(self.sizes, self.sizes) * accepted
        )
        return risks

    def counts(self) -> NDArray[np.float64]:
        """Examples and errors of each tie, ``[B, 2]``."""
        return np.stack([self.sizes, self.errors], axis=-1, dtype=np.float64)

    def sums(self, groups: ArrayLike | None) -> NDArray[np.float64]:
        """Examples and errors of each bootstrap group and cell, ``[G, K, 2]``."""
        cells = np.repeat(self._cells(), self.sizes)
        group = deal(self.num_examples, groups)[self.order]
        return sums_by_group(group, cells, int(cells[-1]) + 1, None, self.wrong)

    def num_independent(self, groups: ArrayLike | None) -> int:
        """How many examples, or clusters, count as independent."""
        if groups is None:
            return self.num_examples
        return int(check_groups(groups, self.num_examples).max()) + 1

    def _cells(self) -> NDArray[np.intp]:
        """Cell of each tie: no tie is ever torn, and a large one is a cell alone."""
        if len(self.sizes) <= MAX_CELLS:
            return np.arange(len(self.sizes))
        parts = MAX_CELLS // 2
        large = self.sizes * parts >= self.num_examples
        # The next tie after a large one starts in a later part.
        cells: NDArray[np.intp] = 2 * (self.starts * parts // self.num_examples) + large
        return cells


def rank(
    probabilities: ArrayLike, labels: ArrayLike, uncertainty: ArrayLike | None
) -> Ranking:
    """Sort examples by uncertainty, 1 - max probability unless another is given.

    Args:
        probabilities: Class probabilities, ``[N, C]`` or ``[S, N, C]``.
        labels: True classes, ``[N]``.
        uncertainty: One finite number an example, ``[N]``.

    Returns:
        The ranking.
    """
    judged = Judged(probabilities, labels)
    if uncertainty is None:
        values = 1 - judged.confidence
    else:
        values = _check_uncertainty(uncertainty, judged.count)
    order = np.argsort(values)
    values, wrong = values[order], ~judged.correct[order]
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts = np.concatenate([[0], changes])
    return Ranking(
        order=order,
        uncertainty=values,
        wrong=wrong,
        starts=starts,
        sizes=np.diff(starts, append=len(values)),
        errors=np.add.reduceat(wrong.astype(np.intp), starts),
    )


def _check_uncertainty(
    uncertainty: ArrayLike, num_examples: int
) -> NDArray[np.float64]:
    values = as_array(uncertainty, "uncertainty")
    if values.shape != (num_examples,):
        raise ValueError(
            "uncertainty must be a vector with one number for each of "
            f"{num_examples} examples, got shape {values.shape}."
        )
    if values.dtype.kind not in "fiub":
        raise ValueError(f"uncertainty must be numbers, got dtype {values.dtype}.")
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(
            f"uncertainty must be finite, got {values[row]} at uncertainty[{row}]."
        )
    return values.astype(np.float64)
