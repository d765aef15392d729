"""Right-closed bins of probability, the same for all that bin.

*Conventions*: bins are right-closed, ``(a, b]``; 0 lies in the first and 1 in the last.
Edges of equal mass are values that occur: the k-th is the smallest that at least
k N / B values do not exceed. Equal values therefore share a bin, whatever their order;
where many are equal, bins are fewer and not of equal mass.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from calibration._checks import check_at_least_one

Scheme = Literal["width", "mass"]


def bin_edges(
    values: NDArray[np.float64], num_bins: int, scheme: Scheme = "width"
) -> NDArray[np.float64]:
    """Find the edges of right-closed bins.

    Args:
        values: Probabilities, in 0..1, ``[N]``.
        num_bins: B, at least 1.
        scheme: "width" or "mass".

    Returns:
        Edges from 0 to 1, ascending, ``[B' + 1]``: B' = B bins of equal width, or at
        most B of equal mass, as ties can merge some. Where a B-th or more of the values
        are 0, or 1, the outermost edge is there twice, and 0 a bin of its own.

    Raises:
        ValueError: If there is no bin or no such scheme.
    """
    num_bins = check_at_least_one(num_bins, "num_bins")
    if scheme not in get_args(Scheme):
        raise ValueError(f"scheme must be 'width' or 'mass', got {scheme!r}.")
    ranks = np.arange(1, num_bins)
    if scheme == "width":
        # Quotients are the floats nearest to the edges, so that a confidence of 0.7
        # lies on the edge 7/10; those of linspace can be one rounding off.
        inner = ranks / num_bins
    else:
        places = np.unique((ranks * len(values) + num_bins - 1) // num_bins - 1)
        inner = np.unique(np.partition(values, places)[places])
    return np.concatenate([[0.0], inner, [1.0]])


def find_bins(
    values: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Find the right-closed bin that holds each value.

    Args:
        values: Probabilities, in 0..1, ``[N]``.
        edges: Edges from `bin_edges`, ``[B + 1]``.

    Returns:
        Indices of bins, 0..B-1, ``[N]``.
    """
    return np.searchsorted(edges[1:-1], values, side="left")
