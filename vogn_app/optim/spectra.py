"""Eigenvalues of the curvature of blocks, from their factors.

    two factors    of A x G: the products of an eigenvalue of A and one of G
    unit           of a 2 x 2 matrix for each channel
    diagonal       the numbers themselves
    one matrix     its own

All in double precision: sums over them tell prior precisions from each other.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..curvature.kronecker.blocks import INPUTS, OUTPUTS, UNIT
from ..curvature.kronecker.moments import Moment


def spectrum(factors: Mapping[str, Moment]) -> Tensor:
    """Eigenvalues of a block's curvature.

    Args:
        factors: Its factors by side, means.

    Returns:
        As many numbers >= 0 as the block has parameters, in no order, in float64.
    """
    if INPUTS in factors:
        inputs, outputs = (_values(factors[side]) for side in (INPUTS, OUTPUTS))
        return (outputs.unsqueeze(2) * inputs.unsqueeze(1)).flatten()
    ((side, moment),) = factors.items()
    if side == UNIT:
        return _of_units(moment.value.double())
    return _values(moment).flatten()


def diagonalised(moment: Moment, side: str) -> Moment:
    """A factor as the diagonal of its eigenvalues, which has the same `spectrum`.

    Args:
        moment: The factor, a mean.
        side: Its side.

    Returns:
        In float64; itself if it is diagonal or of units, whose spectrum costs nothing.
    """
    if side == UNIT or moment.form == "diagonal":
        return moment
    return Moment("diagonal", _values(moment), moment.count)


def _values(moment: Moment) -> Tensor:
    """Eigenvalues of a factor [B, n]."""
    value = moment.value.double()
    if moment.form == "diagonal":
        return value.clamp(min=0)
    if moment.form == "rows":  # V^T V has those of V V^T, and zeros
        known = torch.linalg.eigvalsh(value @ value.mT)
        zeros = known.new_zeros(len(known), moment.size - known.shape[1])
        return torch.cat((zeros, known), 1).clamp(min=0)
    values: Tensor = torch.linalg.eigvalsh(value)
    return values.clamp(min=0)


def _of_units(entries: Tensor) -> Tensor:
    """Of 2 x 2 matrices by entry, [3, *shape], or of single numbers [1, *shape]."""
    if len(entries) == 1:
        return entries.flatten().clamp(min=0)
    ww, wb, bb = entries
    middle, radius = (ww + bb) / 2, torch.hypot((ww - bb) / 2, wb)
    return torch.stack((middle - radius, middle + radius)).flatten().clamp(min=0)
