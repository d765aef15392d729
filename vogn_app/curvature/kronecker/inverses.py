"""Damped inverses (X + damping I)^-1 of Kronecker factors, many at once.

Factors of one shape are inverted together, but on a CPU, which gains little by it. A
factor whose inverse fails in its own precision is tried again alone in double
precision, and given up as None if that fails.

A factor that is the sum of fewer outer products than it has columns, X = V^T V with
V [R, n], stays thin (Woodbury): with L L^T = V V^T + damping I and Z = L^-1 V,

    v (X + damping I)^-1 = (v - (v Z^T) Z) / damping.

With s the largest eigenvalue, eps the rounding and 1 / damping the norm of the inverse,
its error is at most about eps s / (4 damping) of that norm, and that of a dense inverse
four times as large: thin is safe wherever dense is. (Trials by single precision, n 785,
damping 1e-4 of the mean eigenvalue: thin 2e-4 at most, dense 1e-2.) On rows in the span
of V, whose product is smaller than its two parts, both have a relative error of about
eps s / damping; `applied_to_own_rows` gives that product of V itself without it.

Axes: B independent blocks of a layer, R rows, n columns.
"""

from collections import defaultdict
from collections.abc import Sequence
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
        self.triangle = triangle.to(rows.dtype)
        self.whitened = whitened.mT.to(rows.dtype)
        self.damping = damping.to(rows).reshape(())

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [1, *, n] times the inverse."""
        flat = _as_matrices(rows)
        inside = (flat @ self.whitened.mT) / -self.damping
        outside = flat / self.damping
        return outside.baddbmm_(inside, self.whitened).reshape(rows.shape)

    def applied_to_own_rows(self) -> Tensor:
        """V times the inverse, [1, R, n]: exactly L^-T Z, without a difference."""
        columns: Tensor = torch.linalg.solve_triangular(
            self.triangle, self.whitened.mT, upper=False, left=False
        )
        return columns.mT


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


def _as_matrices(rows: Tensor) -> Tensor:
    """Rows [B, *, n] as [B, m, n]."""
    return rows.reshape(rows.shape[0], -1, rows.shape[-1])


def _mean_eigenvalue(moment: Moment) -> Tensor:
    if moment.form == "rows":
        return moment.value.square().sum((1, 2)) / moment.size
    if moment.form == "diagonal":
        return moment.value.mean(1)
    return moment.value.diagonal(dim1=1, dim2=2).mean(1)


def _attempts(requests: Sequence[Request]) -> list[tuple[Tensor, Tensor]]:
    """What the solver of its form makes of each request, and flags [B]."""
    systems = [_undamped(request.moment_mean) for request in requests]
    alike = defaultdict(list)
    for place, (request, system) in enumerate(zip(requests, systems, strict=True)):
        form, device = request.moment_mean.form, system.device
        # A CPU inverts one by one: where a matrix lies in a batch changes its last
        # bits, and a resumed run may invert it in other company.
        own = place if device.type == "cpu" else None
        alike[form, system.shape[1:], system.dtype, device, own].append(place)
    results: dict[int, tuple[Tensor, Tensor]] = {}
    for (form, *_), places in alike.items():
        together = torch.cat([systems[place] for place in places])
        diagonal = together if form == "diagonal" else together.diagonal(0, 1, 2)
        diagonal += torch.cat([_dampings(requests[place]) for place in places])
        sizes = [len(systems[place]) for place in places]
        solved, sound = _SOLVERS[form](together)
        parts = zip(solved.split(sizes), sound.split(sizes), strict=True)
        results |= zip(places, parts, strict=True)
    return [results[place] for place in range(len(requests))]


def _undamped(moment: Moment) -> Tensor:
    """What is solved once it is damped: [B, m, m], or a diagonal [B, n]."""
    value = moment.value
    return value @ value.mT if moment.form == "rows" else value


def _dampings(request: Request) -> Tensor:
    """The damping of each block [B, 1]."""
    value = request.moment_mean.value
    return request.damping.to(value).expand(len(value)).unsqueeze(1)


def _read(flags: Sequence[Tensor]) -> list[list[bool]]:
    """Flags of all requests, brought to the host in one piece."""
    if not flags:
        return []
    values = iter(torch.cat([flag.to(flags[0].device) for flag in flags]).tolist())
    return [list(islice(values, len(flag))) for flag in flags]


def _finished(request: Request, solved: Tensor) -> Inverse:
    """The inverse of a request, from its solution in this or a wider type."""
    value = request.moment_mean.value
    if request.moment_mean.form == "rows":
        return ThinInverse(value, solved, request.damping)
    solved = solved.to(value.dtype)
    dense = request.moment_mean.form == "matrix"
    return DenseInverse(solved) if dense else DiagonalInverse(solved)


def _second_try(request: Request) -> Inverse | None:
    """The inverse of a request alone, in double precision."""
    moment = request.moment_mean
    wide = replace(moment, value=moment.value.double())
    [(solved, sound)] = _attempts([Request(wide, request.damping)])
    fits = solved.to(moment.value.dtype).isfinite().all()
    return _finished(request, solved) if bool(sound.all() & fits) else None
