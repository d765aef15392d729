"""Damped inverses (X + damping I)^-1 of Kronecker factors, many at once.

Factors of one shape are inverted together. A factor whose inverse fails in its own
precision is tried again alone in double precision, and given up as None if that fails.

A factor that is the sum of fewer outer products than it has columns, X = V^T V with
V [R, n], stays thin (Woodbury): with L L^T = V V^T + damping I and Z = L^-1 V,

    v (X + damping I)^-1 = (v - (v Z^T) Z) / damping.

The difference loses accuracy where v lies in the span of V: there the result is smaller
than its two parts by damping / (damping + eigenvalue). The relative error is that of
rounding over this ratio, as it is with any inverse that is rounded entry by entry, dense
ones too. Outside the span thin ones are the more accurate: with a damping of at least
1e-4 of the mean eigenvalue, by single precision, the error is less than 1e-3 of the norm
of the inverse (2e-4 in trials; dense ones reach 1e-2). So there is no fallback to dense.

Axes: B independent blocks of a layer, R rows, n columns.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol, final

import torch
from torch import Tensor

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
        return (rows.flatten(1, -2) @ self.matrix).view(rows.shape)


@final
class DiagonalInverse:
    """An inverse held as its diagonal [B, n]."""

    def __init__(self, vector: Tensor) -> None:
        self.vector = vector

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [B, *, n] times the inverse."""
        return (rows.flatten(1, -2) * self.vector.unsqueeze(1)).view(rows.shape)


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
        wide = rows.to(triangle.dtype)
        whitened = torch.linalg.solve_triangular(triangle, wide, upper=False)
        self.triangle = triangle.to(rows.dtype)
        self.whitened = whitened.to(rows.dtype)
        self.damping = damping.to(rows).reshape(())

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [1, *, n] times the inverse."""
        flat = rows.flatten(1, -2)
        inside = flat @ self.whitened.mT
        inside = inside / -self.damping
        return (flat / self.damping).baddbmm_(inside, self.whitened).view(rows.shape)

    def applied_to_own_rows(self) -> Tensor:
        """V times the inverse, [1, R, n]: exactly L^-T Z, without a difference."""
        return torch.linalg.solve_triangular(
            self.triangle.mT, self.whitened, upper=True
        )


@dataclass(frozen=True)
class Request:
    """A factor to invert.

    Args:
        moment_mean: The factor; its value is a mean already.
        damping: Added to the diagonal, > 0: one number, or one a block [B].
    """

    moment_mean: Moment
    damping: Tensor


def damped_inverses(requests: Sequence[Request]) -> list[Inverse | None]:
    """Inverses of factors, those of one shape at once.

    The host waits for the device once, and again only where an inverse failed.

    Args:
        requests: The factors with their dampings.

    Returns:
        An inverse a request; None for a factor that is not finite, or that is not
        positive definite in double precision either.
    """
    attempts = _attempts(requests)
    flags = _read([sound for _, sound in attempts])
    return [
        _finished(request, solved) if all(sound) else _second_try(request)
        for request, (solved, _), sound in zip(requests, attempts, flags, strict=True)
    ]


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


def positive_inverse(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Inverses of positive definite matrices.

    Args:
        matrices: [k, m, m], symmetric.

    Returns:
        The inverses, exactly symmetric, and which can be trusted [k]: of matrices that
        are finite and positive definite, and whose inverse is finite.
    """
    triangles, sound = _triangles(matrices)
    # A zero on the diagonal would raise, for the whole batch.
    triangles.diagonal(dim1=1, dim2=2).masked_fill_(~sound.unsqueeze(1), 1)
    inverses = torch.cholesky_inverse(triangles)
    return inverses, sound & inverses.sum((1, 2)).isfinite()


def _triangles(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Cholesky factors, and which can be trusted."""
    triangles, info = torch.linalg.cholesky_ex(matrices)
    return triangles, (info == 0) & triangles.sum((1, 2)).isfinite()


def _reciprocals(diagonals: Tensor) -> tuple[Tensor, Tensor]:
    """Inverses of diagonals [k, m], and which can be trusted."""
    fine = (diagonals > 0) & diagonals.isfinite()
    return diagonals.reciprocal(), fine.all(1)


_SOLVERS = {"matrix": positive_inverse, "rows": _triangles, "diagonal": _reciprocals}


def _mean_eigenvalue(moment: Moment) -> Tensor:
    if moment.form == "rows":
        return moment.value.square().sum((1, 2)) / moment.size
    if moment.form == "diagonal":
        return moment.value.mean(1)
    return moment.value.diagonal(dim1=1, dim2=2).mean(1)


def _attempts(requests: Sequence[Request]) -> list[tuple[Tensor, Tensor]]:
    """What the solver of its form gives for each request, and flags [B]."""
    groups = defaultdict(list)
    for place, request in enumerate(requests):
        system = _undamped(request.moment_mean)
        key = request.moment_mean.form, system.shape[1:], system.dtype, system.device
        groups[key].append((place, system))
    results = {}
    for (form, *_), members in groups.items():
        places, systems = zip(*members, strict=True)
        together = torch.cat(systems)
        diagonal = together if form == "diagonal" else together.diagonal(0, 1, 2)
        diagonal += torch.cat([_dampings(requests[place]) for place in places])
        parts = zip(*(x.split(...) for x in _SOLVERS[form](together)), strict=True)
        results |= dict(zip(places, parts, strict=True))
    return [results[place] for place in range(len(requests))]
