"""Square roots of damped inverses, to draw from Gaussians with these covariances.

A root B of X + damping I has B^T B = (X + damping I)^-1, so that rows e of standard
normals give rows e B with that covariance. With L L^T = X + damping I (Cholesky),
B = L^-1; it is formed once, since many draws are made with it.

A factor X = V^T V of fewer rows than columns, V [R, n], stays thin (Andrews 1968): with
L L^T = V V^T + damping I, T = L + sqrt(damping) I, U = T^-1 V and Z = L^-1 V,

    e B = (e - (e U^T) Z) / sqrt(damping).

Roots are not unique: that of a factor of rows is another than that of the same factor
as a matrix. Draws then differ, and their distribution does not.

`damped` says how many are solved at once, and what becomes of one that fails.

Axes: B independent blocks of a layer, R rows, n columns.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, final

import torch
from torch import Tensor

from .blocks import UNIT
from .calls import Key
from .damped import Request, Way, solve_damped
from .moments import Moment


class Root(Protocol):
    """B [B, n, n] with B^T B = (X + damping I)^-1."""

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [B, *, n] times B."""
        ...

    def variances(self) -> Tensor:
        """Diagonal of (X + damping I)^-1, [B, n]."""
        ...

    def log_determinant(self) -> Tensor:
        """Logarithm of the determinant of X + damping I, [B]."""
        ...


@final
class DenseRoot:
    """A root held as its matrix.

    Args:
        triangle: L^-1 [B, n, n], lower.
    """

    def __init__(self, triangle: Tensor) -> None:
        self.triangle = triangle

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [B, *, n] times B."""
        return (rows.flatten(1, -2) @ self.triangle).view(rows.shape)

    def variances(self) -> Tensor:
        """Diagonal of (X + damping I)^-1."""
        return self.triangle.square().sum(1)

    def log_determinant(self) -> Tensor:
        """Of X + damping I."""
        return -2 * self.triangle.diagonal(0, 1, 2).log().sum(1)


@final
class DiagonalRoot:
    """A root held as its diagonal [B, n]."""

    def __init__(self, vector: Tensor) -> None:
        self.vector = vector

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [B, *, n] times B."""
        return (rows.flatten(1, -2) * self.vector.unsqueeze(1)).view(rows.shape)

    def variances(self) -> Tensor:
        """Diagonal of (X + damping I)^-1."""
        return self.vector.square()

    def log_determinant(self) -> Tensor:
        """Of X + damping I."""
        return -2 * self.vector.log().sum(1)


@final
class ThinRoot:
    """A root of rows^T rows + damping I, never formed.

    Args:
        rows: V [1, R, n].
        triangle: L [1, R, R], lower, with L L^T = V V^T + damping I; may be of a wider
            type than the rows.
        damping: One number, > 0.
    """

    def __init__(self, rows: Tensor, triangle: Tensor, damping: Tensor) -> None:
        solve, kind = torch.linalg.solve_triangular, rows.dtype
        rows, damping = rows.to(triangle.dtype), damping.to(triangle).reshape(())
        diagonal = triangle.diagonal(0, 1, 2)
        shift = torch.diag_embed(damping.sqrt().expand_as(diagonal))
        self.damping, self.diagonal = damping.to(kind), diagonal.to(kind)
        self.outer: Tensor = solve(triangle + shift, rows, upper=False).to(kind)
        self.inner: Tensor = solve(triangle, rows, upper=False).to(kind)

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [1, *, n] times B."""
        flat = rows.flatten(1, -2)
        drawn = flat - (flat @ self.outer.mT) @ self.inner
        return (drawn / self.damping.sqrt()).view(rows.shape)

    def variances(self) -> Tensor:
        """Diagonal of (X + damping I)^-1."""
        return (1 - self.inner.square().sum(1)) / self.damping

    def log_determinant(self) -> Tensor:
        """Of X + damping I."""
        outside = self.inner.shape[2] - self.inner.shape[1]
        return 2 * self.diagonal.log().sum(1) + outside * self.damping.log()


@final
class UnitRoot:
    """Roots of the 2 x 2 blocks of a norm layer, or of its single numbers.

    Args:
        entries: B of each channel: a [1, D], or a, b and c [3, D] of [[a, 0], [b, c]].
    """

    def __init__(self, entries: Tensor) -> None:
        self.entries = entries

    def apply(self, rows: Tensor) -> Tensor:
        """Rows [1, *, D], or [1, *, 2 D] of scales and then shifts, times B."""
        if len(self.entries) == 1:
            return rows * self.entries[0]
        a, b, c = self.entries
        scale, shift = rows.chunk(2, -1)
        return torch.cat((scale * a + shift * b, shift * c), -1)

    def variances(self) -> Tensor:
        """Diagonal of the inverses, scales before shifts, [1, D] or [1, 2 D]."""
        if len(self.entries) == 1:
            return self.entries.square()
        a, b, c = self.entries.square()
        return torch.cat((a + b, c)).unsqueeze(0)

    def log_determinant(self) -> Tensor:
        """Of all blocks together, [1]."""
        return -2 * self.entries[::2].log().sum().unsqueeze(0)


def unit_root(moment: Moment, damping: Tensor) -> UnitRoot:
    """Roots of the blocks of a norm layer, in closed form.

    Args:
        moment: Entries of the blocks F as `unit_moment` packs them, [1 or 3, *shape].
        damping: Added to their diagonals, > 0.

    Returns:
        The roots; they are taken in double precision, as `unit_inverse` does.
    """
    wide = moment.value.double().flatten(1)
    if len(wide) == 1:
        return UnitRoot((wide + damping).rsqrt().to(moment.value.dtype))
    ww, wb, bb = wide
    damped = ww + damping
    determinant = (ww * bb - wb * wb).clamp_(min=0) + damping * (bb + damped)
    c = (damped / determinant).sqrt()
    entries = torch.stack((damped.rsqrt(), -wb / damped * c, c))
    return UnitRoot(entries.to(moment.value.dtype))


def roots_of(requests: Mapping[Key, Request]) -> dict[Key, Root | None]:
    """Roots of statistics, equal shapes together.

    Args:
        requests: Statistics that are means, with their dampings.

    Returns:
        A root a statistic; None where even double precision fails.
    """
    result: dict[Key, Root | None] = {}
    others = []
    for key, request in requests.items():
        if key[1] == UNIT:
            result[key] = unit_root(request.moment_mean, request.damping)
        else:
            others.append(key)
    found = damped_roots([requests[key] for key in others])
    return result | dict(zip(others, found, strict=True))


def damped_roots(requests: Sequence[Request]) -> list[Root | None]:
    """A root a request, as `solve_damped` finds solutions."""
    return solve_damped(requests, _ROOTS)


def _inverted(triangles: Tensor) -> Tensor:
    """Inverses of lower triangles [k, n, n]."""
    size, dtype, device = triangles.shape[1], triangles.dtype, triangles.device
    one = torch.eye(size, dtype=dtype, device=device)
    inverses: Tensor = torch.linalg.solve_triangular(triangles, one, upper=False)
    return inverses


def _finished(request: Request, solved: Tensor) -> Root:
    """The root of a request, from its solution in this or a wider type."""
    moment = request.moment_mean
    if moment.form == "rows":
        return ThinRoot(moment.value, solved, request.damping)
    solved = solved.to(moment.value.dtype)
    return DenseRoot(solved) if moment.form == "matrix" else DiagonalRoot(solved)


_ROOTS = Way(_inverted, torch.rsqrt, _finished)
