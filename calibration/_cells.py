"""Measures of selective prediction from counts: examples and errors of sorted cells.

A cell holds neighbours in order of uncertainty, whose errors are taken to be spread
evenly (see `calibration._ranking`). All functions take counts ``[..., K, 2]``, as
`calibration.bootstrap.resampled` passes them, empty cells included.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

# Products such as 0.8 * 5 may round to just above the whole number that they are.
_SLACK = 1e-9


def curve_area(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean risk over all coverages, from examples and errors of cells.

    A cell of ``m`` examples with ``w`` errors after ``a`` examples with ``e`` adds the
    sum over k = a+1..a+m of ``(e + w (k - a) / m) / k``, which harmonic numbers give.

    Args:
        counts: Examples and errors, ``[..., K, 2]``.

    Returns:
        Areas in 0..1, ``[...]``.
    """
    size, wrong = counts[..., 0], counts[..., 1]
    accepted, failed = _nodes(counts)
    slope = wrong / np.maximum(size, 1)
    harmonic = np.diff(digamma(accepted + 1), axis=-1)
    terms = wrong + (failed[..., :-1] - slope * accepted[..., :-1]) * harmonic
    areas: NDArray[np.float64] = terms.sum(-1) / accepted[..., -1]
    return areas


def generalised_area(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under errors per example against coverage, from those of cells.

    Args:
        counts: Examples and errors, ``[..., K, 2]``.

    Returns:
        Areas in 0..1/2, ``[...]``.
    """
    size, wrong = counts[..., 0], counts[..., 1]
    doubled = (size * (2 * wrong.cumsum(-1) - wrong)).sum(-1)
    areas: NDArray[np.float64] = doubled / (2 * size.sum(-1) ** 2)
    return areas


def oracle_area(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """`curve_area` of a ranking with all right predictions before all errors.

    Args:
        counts: Examples and errors, ``[..., K, 2]``.

    Returns:
        Areas in 0..1, ``[...]``.
    """
    total = counts.sum(axis=-2)
    right = total[..., 0] - total[..., 1]
    zero = np.zeros_like(right)
    first, second = np.stack([right, zero], -1), np.stack([total[..., 1]] * 2, -1)
    return curve_area(np.stack([first, second], axis=-2))


def widest_coverage(counts: NDArray[np.float64], risk: float) -> NDArray[np.float64]:
    """Largest coverage at which the risk is at most as asked, from cells.

    Args:
        counts: Examples and errors, ``[..., K, 2]``.
        risk: Largest risk, in 0..1.

    Returns:
        Coverages in 0..1, ``[...]``.
    """
    accepted, failed = _nodes(counts)
    total, num_cells = accepted[..., -1], counts.shape[-2]
    fits = failed / np.maximum(accepted, 1) <= risk
    last = num_cells - fits[..., ::-1].argmax(-1)
    cell = np.minimum(last, num_cells - 1)
    size, wrong = (_at(counts[..., i], cell) for i in (0, 1))
    gap = wrong - risk * size  # above 0 in the cell in which the curve passes the risk
    room = risk * _at(accepted, cell) - _at(failed, cell)
    share = np.clip(room / np.where(gap > 0, gap, 1), 0, 1)
    count = np.floor(_at(accepted, cell) + share * size + _SLACK)
    coverages: NDArray[np.float64] = np.where(last == num_cells, 1, count / total)
    return coverages


def risk_within(counts: NDArray[np.float64], coverage: float) -> NDArray[np.float64]:
    """Risk at the smallest number of examples that reaches a coverage, from cells.

    Args:
        counts: Examples and errors, ``[..., K, 2]``.
        coverage: Share to accept, above 0 and at most 1.

    Returns:
        Risks in 0..1, ``[...]``.
    """
    accepted, failed = _nodes(counts)
    target = np.maximum(np.ceil(coverage * accepted[..., -1] - _SLACK), 1)
    cell = (accepted[..., 1:] < target[..., None]).sum(-1)
    size, wrong = (_at(counts[..., i], cell) for i in (0, 1))
    inside = wrong * (target - _at(accepted, cell)) / size
    risks: NDArray[np.float64] = (_at(failed, cell) + inside) / target
    return risks


def _nodes(
    counts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Examples and errors accepted before and after each cell, both ``[..., K+1]``."""
    start = np.zeros_like(counts[..., :1, :])
    sums = np.concatenate([start, counts.cumsum(axis=-2)], axis=-2)
    return sums[..., 0], sums[..., 1]


def _at(values: NDArray[np.float64], index: NDArray[Any]) -> NDArray[np.float64]:
    """Pick one entry along the last axis."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]
