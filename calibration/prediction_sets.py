"""What sets of classes are worth: how often they hold the truth, and their size.

*Papers*: Angelopoulos et al. (2021), arXiv:2009.14193 (coverage by size of set, in the
strata 0-1, 2-3, 4-6, 7-10, 11-100, 101-1000 and, here, above: sets that adapt well
cover alike whether small or large).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import as_array, check_groups, check_labels
from calibration.estimate import Estimate
from calibration.intervals import mean, proportion

# Largest size of each stratum but the last.
STRATA = (1, 3, 6, 10, 100, 1000)


@dataclass(frozen=True, kw_only=True, eq=False)
class SizeStratum:
    """Sets of similar size.

    Args:
        smallest: Smallest size, in classes.
        largest: Largest size, C in the last stratum.
        coverage: Share that hold the true class; its count is the number of sets.
    """

    smallest: int
    largest: int
    coverage: Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class ConformalReport:
    """How N sets of classes did.

    Args:
        coverage: Share that hold the true class.
        mean_size: Mean number of classes, in 0..C.
        singletons: Share with exactly one class.
        empty: Share with none, which cannot hold the truth.
        strata: Sets by size, smallest first, strata without any left out.
        class_coverage: Coverage of each true class, None for one without examples.
        size_counts: Number of sets of each size 0..C, ``[C + 1]``.
        num_examples: N.
    """

    coverage: Estimate
    mean_size: Estimate
    singletons: Estimate
    empty: Estimate
    strata: tuple[SizeStratum, ...]
    class_coverage: tuple[Estimate | None, ...]
    size_counts: NDArray[np.intp]
    num_examples: int

    @property
    def worst_size_coverage(self) -> Estimate:
        """Coverage of the stratum that is covered worst.

        It is lower than the promise by chance alone where strata are small: look at its
        count, and at an interval that knows nothing of its being the worst of several.
        """
        return min(stratum.coverage for stratum in self.strata)

    @property
    def worst_class_coverage(self) -> Estimate:
        """Coverage of the true class that is covered worst; see the other."""
        return min(each for each in self.class_coverage if each is not None)


def evaluate_sets(
    sets: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None
) -> ConformalReport:
    """Judge sets of classes, conformal or other, on labelled examples.

    Args:
        sets: Whether each class belongs to the set of each example, ``[N, C]``.
        labels: True classes, integers in 0..C-1, ``[N]``.
        groups: Cluster of each example (image, patient, user), ``[N]``, if members of
            one are not independent.

    Returns:
        Coverage and sizes, with intervals.

    Raises:
        ValueError: If the sets are not a non-empty matrix of booleans, or another
            argument is invalid.
    """
    sets = _check_sets(sets)
    num_examples, num_classes = sets.shape
    labels = check_labels(labels, num_examples, num_classes)
    groups = None if groups is None else check_groups(groups, num_examples)
    hits, sizes = sets[np.arange(num_examples), labels], sets.sum(axis=1)
    strata = np.searchsorted(STRATA, sizes)
    coverages = _proportions(hits, strata, len(STRATA) + 1, groups)
    return ConformalReport(
        coverage=proportion(hits, groups),
        mean_size=mean(sizes, (0.0, float(num_classes)), groups),
        singletons=proportion(sizes == 1, groups),
        empty=proportion(sizes == 0, groups),
        strata=_strata(coverages, num_classes),
        class_coverage=_proportions(hits, labels, num_classes, groups),
        size_counts=np.bincount(sizes, minlength=num_classes + 1),
        num_examples=num_examples,
    )


def _strata(
    coverages: tuple[Estimate | None, ...], num_classes: int
) -> tuple[SizeStratum, ...]:
    smallest = (0, *(size + 1 for size in STRATA))
    largest = (*STRATA, num_classes)
    return tuple(
        SizeStratum(smallest=low, largest=min(high, num_classes), coverage=coverage)
        for low, high, coverage in zip(smallest, largest, coverages, strict=True)
        if coverage is not None
    )


def _proportions(
    hits: NDArray[np.bool_],
    part: NDArray[np.intp],
    num_parts: int,
    groups: NDArray[np.intp] | None,
) -> tuple[Estimate | None, ...]:
    """Share of hits in each part, None for a part without examples."""
    order = np.argsort(part, kind="stable")
    bounds = np.cumsum(np.bincount(part, minlength=num_parts))[:-1]
    return tuple(
        proportion(hits[rows], None if groups is None else groups[rows])
        if len(rows)
        else None
        for rows in np.split(order, bounds)
    )


def _check_sets(sets: ArrayLike) -> NDArray[np.bool_]:
    array = as_array(sets, "sets")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"sets must be [N, C] and not empty, got shape {array.shape}.")
    if array.dtype != bool:
        raise ValueError(
            "sets must be booleans, one for each example and class, "
            f"got dtype {array.dtype}."
        )
    return array
