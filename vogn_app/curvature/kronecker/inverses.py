"""Damped inverses (X + damping I)^-1 of Kronecker factors.

`damped` says how many are solved at once, and what becomes of one that fails.

A factor that is the sum of fewer outer products than it has columns, X = V^T V with
V [R, n], stays thin (Woodbury): with L L^T = V V^T + damping I and Z = L^-1 V,

    v (X + damping I)^-1 = (v - (v Z^T) Z) / damping.

With s the largest eigenvalue, eps the rounding and 1 / damping the norm of the inverse,
its error is at most about eps s / (4 damping) of that norm, and that of a dense inverse
four times as large: thin is safe wherever dense is. (Trials by single precision, n 785,
damping 1e-4 of the mean eigenvalue: thin 2e-4 at most, dense 1e-2.) On rows in the span
of V, whose product is smaller than its two parts, both have a relative error of about
eps s / damping.

Axes: B independent blocks of a layer, R rows, n columns.
"""

from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor

from .damped import Request, Way, solve_damped
from .moments import Moment


class Inverse(Protocol):
    """A symmetric inverse [B, n, n] that can be applied."""

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [B, *, n] times the inverse."""
        ...


@final
class DenseInverse:
    """An inverse held as its matrix [B, n, n]."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [B, *, n] times the inverse."""
        return (_as_matrices(rows) @ self.matrix).view(rows.shape)


@final
class DiagonalInverse:
    """An inverse held as its diagonal [B, n]."""

    def __init__(self, vector: Tensor) -> None:
        self.vector = vector

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [B, *, n] times the inverse."""
        return (_as_matrices(rows) * self.vector.unsqueeze(1)).reshape(rows.shape)


@final
class ThinInverse:
    """The inverse of rows^T rows + damping I, never formed.

    Args:
        rows: V [1, R, n].
        triangle: L [1, R, R], lower, with L L^T = V V^T + damping I; may be of a wider
            type than the rows.
        damping: One number, > 0.
    """

    def __init__(self, rows: Tensor, triangle: Tensor, damping: Tensor) -> None:
        # Solved from the right, which takes half the time: nothing is turned over.
        upper, columns = triangle.mT, rows.mT.to(triangle.dtype)
        whitened = torch.linalg.solve_triangular(upper, columns, upper=True, left=False)
        self.whitened = whitened.mT.to(rows.dtype)
        self.damping = damping.to(rows).reshape(())

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [1, *, n] times the inverse."""
        flat = _as_matrices(rows)
        inside = (flat @ self.whitened.mT) / -self.damping
        outside = flat / self.damping
        return outside.baddbmm_(inside, self.whitened).reshape(rows.shape)


def damped_inverses(requests: Sequence[Request]) -> list[Inverse | None]:
    """An inverse a request, as `solve_damped` finds solutions."""
    return solve_damped(requests, _INVERSION)


def trace_norm_pi(inputs: Moment, outputs: Moment) -> Tensor:
    """How two factors share damping: the root of the ratio of their mean eigenvalues.

    Args:
        inputs: Factor of the inputs, a mean.
        outputs: Factor of the output gradients, a mean.

    Returns:
        pi [B]; 1 where a trace is 0, negative or not finite.
    """
    ratio = _mean_eigenvalue(inputs).sqrt() / _mean_eigenvalue(outputs).sqrt()
    return torch.where(ratio.isfinite() & (ratio > 0), ratio, 1)


def _as_matrices(rows: Tensor) -> Tensor:
    """Rows [B, *, n] as [B, m, n]."""
    return rows.reshape(rows.shape[0], -1, rows.shape[-1])


def _mean_eigenvalue(moment: Moment) -> Tensor:
    if moment.form == "rows":
        return moment.value.square().sum((1, 2)) / moment.size
    if moment.form == "diagonal":
        return moment.value.mean(1)
    return moment.value.diagonal(dim1=1, dim2=2).mean(1)


def _finished(request: Request, solved: Tensor) -> Inverse:
    """The inverse of a request, from its solution in this or a wider type."""
    value = request.moment_mean.value
    if request.moment_mean.form == "rows":
        return ThinInverse(value, solved, request.damping)
    solved = solved.to(value.dtype)
    dense = request.moment_mean.form == "matrix"
    return DenseInverse(solved) if dense else DiagonalInverse(solved)


_INVERSION = Way(torch.cholesky_inverse, torch.reciprocal, _finished)
