"""Damped Kronecker factors X + damping I, solved many at once.

Factors of one shape are solved together, but on a CPU, which gains little by it. One
whose solution fails in its own precision is tried again alone in double precision, and
given up as None if that fails. What a solution is, `inverses` and `roots` say.

Of a factor with fewer rows than columns, X = V^T V with V [R, n], what is solved is
V V^T + damping I; X is never formed.

Axes: B independent blocks of a layer, k of all that are solved together, R rows, n
columns, m the one or the other.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeVar

import torch
from torch import Tensor

from .moments import Form, Moment

Solution = TypeVar("Solution")


@dataclass(frozen=True)
class Request:
    """A factor to solve.

    Args:
        moment_mean: The factor; its value is a mean already.
        damping: Added to the diagonal, > 0: one number, or one a block [B].
    """

    moment_mean: Moment
    damping: Tensor


@dataclass(frozen=True)
class Way(Generic[Solution]):
    """What solving means.

    Args:
        of_triangles: What is made of lower triangles L [k, n, n], with L L^T the damped
            matrices.
        of_diagonals: What is made of damped diagonals [k, n].
        finish: Makes a solution of that; of the triangle L [1, R, R] itself where the
            factor is rows. It may come in a wider type than the factor's.
    """

    of_triangles: Callable[[Tensor], Tensor]
    of_diagonals: Callable[[Tensor], Tensor]
    finish: Callable[[Request, Tensor], Solution]


def solve_damped(
    requests: Sequence[Request], way: Way[Solution]
) -> list[Solution | None]:
    """Solve factors, those of one shape at once.

    The host waits for the device once, and again only where a solution failed.

    Args:
        requests: The factors with their dampings.
        way: What solving means.

    Returns:
        A solution a request; None for a factor that is not finite, or that is not
        positive definite in double precision either.
    """
    attempts = _attempts(requests, way)
    flags = _read([sound for _, sound in attempts])
    return [
        way.finish(request, solved) if all(sound) else _second_try(request, way)
        for request, (solved, _), sound in zip(requests, attempts, flags, strict=True)
    ]


def alike(values: Sequence[Tensor], kinds: Iterable[Hashable]) -> list[list[int]]:
    """Which values are treated together.

    Args:
        values: The values.
        kinds: What else is equal of those, for each value.

    Returns:
        Places of values of one kind, type and device.
    """
    groups = defaultdict(list)
    for place, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        # A CPU treats them one by one: where a matrix lies in a batch changes its last
        # bits, and a resumed run may have it in other company.
        own = place if value.is_cpu else None
        groups[kind, value.dtype, value.device, own].append(place)
    return list(groups.values())


def _attempts(
    requests: Sequence[Request], way: Way[Solution]
) -> list[tuple[Tensor, Tensor]]:
    """What is made of each request, and which of its blocks can be trusted [B]."""
    forms = [request.moment_mean.form for request in requests]
    systems = [_undamped(request.moment_mean) for request in requests]
    kinds = zip(forms, (system.shape[1:] for system in systems), strict=True)
    results: dict[int, tuple[Tensor, Tensor]] = {}
    for places in alike(systems, kinds):
        form = forms[places[0]]
        together = torch.cat([systems[place] for place in places])
        diagonal = together if form == "diagonal" else together.diagonal(0, 1, 2)
        diagonal += torch.cat([_dampings(requests[place]) for place in places])
        sizes = [len(systems[place]) for place in places]
        solved, sound = _solved(form, together, way)
        parts = zip(solved.split(sizes), sound.split(sizes), strict=True)
        results |= zip(places, parts, strict=True)
    return [results[place] for place in range(len(requests))]


def _solved(form: Form, systems: Tensor, way: Way[Solution]) -> tuple[Tensor, Tensor]:
    """What is made of damped systems, and which results can be trusted [k]."""
    if form == "diagonal":
        positive = (systems > 0) & systems.isfinite()
        return way.of_diagonals(systems), positive.all(1)
    triangles, info = torch.linalg.cholesky_ex(systems)
    sound = (info == 0) & triangles.sum((1, 2)).isfinite()
    if form == "rows":
        return triangles, sound
    # A zero on the diagonal would raise, for the whole batch.
    triangles.diagonal(dim1=1, dim2=2).masked_fill_(~sound.unsqueeze(1), 1)
    solved = way.of_triangles(triangles)
    return solved, sound & solved.sum((1, 2)).isfinite()


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
    values = iter(torch.cat(list(flags)).tolist())
    return [list(islice(values, len(flag))) for flag in flags]


def _second_try(request: Request, way: Way[Solution]) -> Solution | None:
    """The solution of a request alone, in double precision."""
    moment = request.moment_mean
    wide = replace(moment, value=moment.value.double())
    [(solved, sound)] = _attempts([Request(wide, request.damping)], way)
    fits = solved.to(moment.value.dtype).isfinite().all()
    return way.finish(request, solved) if bool(sound.all() & fits) else None
