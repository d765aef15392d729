"""Square roots of damped inverses, to draw from Gaussians with these covariances.

A root B of X + damping I has B^T B = (X + damping I)^-1, so that rows e of standard
normals give rows e B with that covariance. With L L^T = X + damping I (Cholesky),
B = L^-1; it is formed once, since many draws are made with it.

A factor X = V^T V of fewer rows than columns, V [R, n], stays thin (Andrews 1968): with
L L^T = V V^T + damping I, T = L + sqrt(damping) I, U = T^-1 V and Z = L^-1 V,

    e B = (e - (e U^T) Z) / sqrt(damping).

Roots are not unique: that of a factor of rows is another than that of the same factor
as a matrix. Draws then differ, and their distribution does not.

A root that fails in its own precision is tried again alone in double precision, and
given up as None if that fails.

Axes: B independent blocks of a layer, R rows, n columns.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, final

import torch
from torch import Tensor

from .blocks import UNIT
from .calls import Key
from .inverses import Request
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
        triangle: L [1, R, R], lower, with L L^T = V V^T + damping I.
        damping: One number, > 0.
    """

    def __init__(self, rows: Tensor, triangle: Tensor, damping: Tensor) -> None:
        solve = torch.linalg.solve_triangular
        self.damping = damping.to(rows).reshape(())
        self.diagonal = triangle.diagonal(0, 1, 2)
        shift = torch.diag_embed(self.damping.sqrt().expand_as(self.diagonal))
        self.outer: Tensor = solve(triangle + shift, rows, upper=False)
        self.inner: Tensor = solve(triangle, rows, upper=False)

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
    """Roots of factors, those of one shape at once.

    The host waits for the device once, and again only where a root failed.

    Args:
        requests: The factors with their dampings.

    Returns:
        A root a request; None for a factor that is not finite, or that is not positive
        definite in double precision either.
    """
    attempts = _attempts(requests)
    flags = [sound for _, sound in attempts]
    read = torch.stack([flag.to(flags[0].device) for flag in flags]) if flags else None
    sound = [] if read is None else read.tolist()
    return [
        root if good else _second_try(request)
        for request, (root, _), good in zip(requests, attempts, sound, strict=True)
    ]


Attempt = tuple[Root, Tensor]  # a root, and whether it can be trusted
Requests = Sequence[Request]


def _attempts(requests: Requests) -> list[Attempt]:
    alike = defaultdict(list)
    for place, request in enumerate(requests):
        moment = request.moment_mean
        value = moment.value
        own = (
            place if value.is_cpu else None
        )  # as `inverses`: for the sake of last bits
        key = moment.form, value.shape[1:], value.dtype, value.device, own
        alike[key].append(place)
    results: dict[int, Attempt] = {}
    for (form, *_), places in alike.items():
        made = _MAKERS[form]([requests[place] for place in places])
        results |= zip(places, made, strict=True)
    return [results[place] for place in range(len(requests))]


def _second_try(request: Request) -> Root | None:
    """The root of a request alone, found in double precision."""
    moment = request.moment_mean
    wide = replace(moment, value=moment.value.double())
    ((root, sound),) = _attempts([Request(wide, request.damping)])
    root = rounded(root, moment.value.dtype)
    fits = root.variances().isfinite().all()
    return root if bool(sound & fits) else None


def rounded(root: Root, dtype: torch.dtype) -> Root:
    """A root in another type."""
    for name, value in vars(root).items():
        setattr(root, name, value.to(dtype))
    return root


def _dense(requests: Requests) -> list[Attempt]:
    systems = torch.cat([request.moment_mean.value for request in requests])
    systems.diagonal(0, 1, 2).add_(_dampings(requests))
    triangles, sound = _triangles(systems)
    one = torch.eye(systems.shape[1], dtype=systems.dtype, device=systems.device)
    inverses = torch.linalg.solve_triangular(triangles, one, upper=False)
    sound &= inverses.sum((1, 2)).isfinite()
    return _split(requests, inverses, sound, lambda _, part: DenseRoot(part))


def _thin(requests: Requests) -> list[Attempt]:
    rows = torch.cat([request.moment_mean.value for request in requests])
    systems = rows @ rows.mT
    systems.diagonal(0, 1, 2).add_(_dampings(requests))
    triangles, sound = _triangles(systems)
    return _split(
        requests, triangles, sound,
        lambda each, part: ThinRoot(each.moment_mean.value, part, each.damping),
    )  # fmt: skip


def _diagonal(requests: Requests) -> list[Attempt]:
    values = torch.cat([request.moment_mean.value for request in requests])
    values = values + _dampings(requests)
    sound = ((values > 0) & values.isfinite()).all(1)
    return _split(requests, values.rsqrt(), sound, lambda _, part: DiagonalRoot(part))


_MAKERS = {"matrix": _dense, "rows": _thin, "diagonal": _diagonal}


def _dampings(requests: Requests) -> Tensor:
    """The damping of each matrix [k, 1]."""
    values = [(request.damping, request.moment_mean.value) for request in requests]
    each = [damping.to(value).expand(len(value)) for damping, value in values]
    return torch.cat(each).unsqueeze(1)


def _triangles(systems: Tensor) -> tuple[Tensor, Tensor]:
    """Cholesky factors, and which can be trusted; the others are made harmless."""
    triangles, info = torch.linalg.cholesky_ex(systems)
    sound = (info == 0) & triangles.sum((1, 2)).isfinite()
    # A zero on the diagonal would raise, for the whole batch.
    triangles.diagonal(0, 1, 2).masked_fill_(~sound.unsqueeze(1), 1)
    return triangles, sound


def _split(
    requests: Requests,
    values: Tensor,
    sound: Tensor,
    make: Callable[[Request, Tensor], Root],
) -> list[Attempt]:
    """Give every request its matrices of those that were solved together."""
    sizes = [len(request.moment_mean.value) for request in requests]
    pieces = zip(requests, values.split(sizes), sound.split(sizes), strict=True)
    return [(make(request, part), flags.all()) for request, part, flags in pieces]
