"""Division of a dataset into parts that each hold every class in proportion."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def stratified_split(
    labels: NDArray[np.int64], fractions: Sequence[float], seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Divide the examples of each class at random in the proportions `fractions`.

    A part's share of a class is its quota rounded down or up (largest remainders are
    rounded up), save that every part with a fraction above 0 gets one example of each
    class at least.

    Args:
        labels: Classes 0..C-1, each with an example, integers [N].
        fractions: Share of each part, each in [0, 1], 1 together.
        seed: Equal seeds give equal splits.

    Returns:
        Sorted rows of `labels`, one array a fraction; disjoint, and N together.

    Raises:
        ValueError: An argument is not as described, there is one class only, or a
            class has fewer examples than there are parts.
    """
    _check_fractions(fractions)
    counts = _class_counts(labels)
    num_parts = sum(fraction > 0 for fraction in fractions)
    if counts.min() < num_parts:
        raise ValueError(
            f"labels must hold every class at least {num_parts} times, once a split, "
            f"got {counts.min()} of class {counts.argmin()}."
        )
    generator = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in fractions]
    for label, count in enumerate(counts):
        rows = generator.permutation(np.flatnonzero(labels == label))
        stops = np.cumsum(_apportion(int(count), fractions))
        for part, piece in zip(parts, np.split(rows, stops[:-1]), strict=True):
            part.append(piece)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def _check_fractions(fractions: Sequence[float]) -> None:
    """Refuse fractions outside [0, 1], or that are not 1 together.

    Raises:
        ValueError: They are so.
    """
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ValueError(f"fractions must each be in [0, 1], got {fraction}.")
    if abs(sum(fractions) - 1) > 1e-9:  # far above rounding, far below one example
        raise ValueError(f"fractions must add up to 1, got {sum(fractions)}.")


def _class_counts(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the examples of each class 0..C-1, as int64 [C].

    Raises:
        ValueError: Labels are not integers from 0 [N], of two classes at least, or a
            class number below the greatest is left out.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be integers of shape [N], got {labels.dtype} of shape "
            f"{labels.shape}."
        )
    if labels.size and labels.min() < 0:
        raise ValueError(f"labels must be at least 0, got {labels.min()}.")
    counts = np.bincount(labels)
    if np.count_nonzero(counts) < 2:
        raise ValueError(
            "labels must be of at least two classes, got "
            f"{np.count_nonzero(counts)} in {len(labels)} examples."
        )
    if counts.min() == 0:
        raise ValueError(
            f"labels must use every class from 0 to {len(counts) - 1}, "
            f"got none of class {counts.argmin()}."
        )
    return counts


def _apportion(count: int, fractions: Sequence[float]) -> NDArray[np.int64]:
    """Share `count` examples out by largest remainder, one at least where above 0."""
    quotas = count * np.asarray(fractions, dtype=np.float64)
    shares = np.floor(quotas).astype(np.int64)
    for _ in range(count - int(shares.sum())):
        shares[np.argmax(quotas - shares)] += 1
    for part in np.flatnonzero((quotas > 0) & (shares == 0)):
        # The giver is the part most above its quota of those that can spare one.
        shares[np.argmax(np.where(shares > 1, shares - quotas, -np.inf))] -= 1
        shares[part] += 1
    return shares
