"""How a model holds up when its inputs change: accuracy, NLL and ECE by severity.

A shift is any change of the same test examples that has a name (its kind) and a
strength (its severity): the corruptions of Hendrycks and Dietterich (2019),
arXiv:1903.12261, or the rotations of Ovadia et al. (2019), arXiv:1906.02530, whose
charts of "calibration under shift" these rows draw. A model that knows what it does not
know gets less sure as it gets worse: its accuracy falls, its ECE stays.

Severity 0 stands for the examples as they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibration._checks import is_whole
from calibration._errors import expected_error
from calibration._predictions import Judged
from calibration.estimate import Estimate
from calibration.metrics import accuracy_of, nll_of

CLEAN = "clean"  # the kind of severity 0
# Kinds that no mean over corruptions holds: a picture that lies on its side is not a
# worse picture of the same thing, and what it does to a model would drown the others.
APART = ("rotation",)


@dataclass(frozen=True, kw_only=True)
class ShiftRow:
    """A model's numbers on one kind of shift at one severity.

    Args:
        kind: Name of the shift, "clean" for none.
        severity: 0 for none, larger for stronger.
        count: Number of examples.
        accuracy: Fraction of right predictions.
        nll: Mean negative log-likelihood of the true class, in nats.
        ece: Expected calibration error.
    """

    kind: str
    severity: int
    count: int
    accuracy: Estimate
    nll: Estimate
    ece: Estimate


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A number over several kinds of shift.

    Args:
        mean: Mean over the kinds, which count alike.
        smallest: Of any kind.
        largest: Of any kind.
    """

    mean: float
    smallest: float
    largest: float


@dataclass(frozen=True, kw_only=True)
class SeverityRow:
    """A model's numbers at one severity, over all kinds that have it.

    Args:
        severity: 0 for the examples as they are.
        num_kinds: Number of kinds.
        accuracy: As in `ShiftRow`.
        nll: Likewise, in nats.
        ece: Likewise.
    """

    severity: int
    num_kinds: int
    accuracy: Spread
    nll: Spread
    ece: Spread


def shift_table(
    clean: ArrayLike,
    shifted: Mapping[tuple[str, int], ArrayLike],
    labels: ArrayLike,
    num_bins: int = 15,
) -> list[ShiftRow]:
    """Judge predictions on examples as they are, and on the same ones changed.

    Args:
        clean: Class probabilities on the examples as they are, ``[N, C]`` or
            ``[S, N, C]``.
        shifted: The same on changed examples, by kind (not "clean") and severity (at
            least 1).
        labels: True classes, integers in 0..C-1, ``[N]``.
        num_bins: Bins of the calibration error, at least 1.

    Returns:
        A row for the clean examples, and one for each kind and severity, kinds in
        their order and severities ascending.

    Raises:
        ValueError: If probabilities or labels are none, are of other examples or
            classes, or a severity is no whole number above 0.
    """
    first = Judged(clean, labels, name="clean")
    rows = [_row(CLEAN, 0, first, num_bins)]
    for kind, severity in _in_order(shifted):
        name, found = f"shifted[{kind!r}, {severity}]", shifted[kind, severity]
        if np.shape(found)[-2:] != first.rows.shape:
            raise ValueError(
                f"{name} must be of the same examples and classes as clean, "
                f"{first.rows.shape}, got {np.shape(found)[-2:]}."
            )
        judged = Judged(found, first.labels, name=name)
        rows.append(_row(kind, severity, judged, num_bins))
    return rows


def _in_order(keys: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    places: dict[str, int] = {}
    for key in keys:
        if not (isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str)):
            raise ValueError(
                "shifted must have keys (kind, severity), such as ('fog', 3), "
                f"got {key!r}."
            )
        kind, severity = key
        if kind == CLEAN:
            raise ValueError(
                f"kind must not be {CLEAN!r}, which is that of the examples as they "
                "are; pass those as clean."
            )
        if not is_whole(severity) or severity < 1:
            raise ValueError(
                "severity must be a whole number of at least 1, "
                f"got {severity!r} of {kind!r}."
            )
        places.setdefault(kind, len(places))
    return sorted(keys, key=lambda key: (places[key[0]], key[1]))


def _row(kind: str, severity: int, judged: Judged, num_bins: int) -> ShiftRow:
    return ShiftRow(
        kind=kind,
        severity=int(severity),
        count=judged.count,
        accuracy=accuracy_of(judged),
        nll=nll_of(judged),
        ece=expected_error(judged, num_bins),
    )


def averaged_kinds(kinds: Iterable[str]) -> list[str]:
    """The kinds that a mean is taken over: all but clean and those `APART`.

    Args:
        kinds: Kinds of shift, each as often as you like.

    Returns:
        The kinds once each, in their order; those apart only where there are no others.
    """
    known = [kind for kind in dict.fromkeys(kinds) if kind != CLEAN]
    return [kind for kind in known if kind not in APART] or known


def shift_summary(rows: Iterable[ShiftRow]) -> list[SeverityRow]:
    """Average over kinds at each severity, rotation left to itself.

    Args:
        rows: From `shift_table`, all or some.

    Returns:
        A row a severity, ascending; none for no rows.
    """
    rows, by_severity = list(rows), dict[int, list[ShiftRow]]()
    kinds = {CLEAN, *averaged_kinds(row.kind for row in rows)}
    for row in rows:
        if row.kind not in kinds:
            continue
        by_severity.setdefault(row.severity, []).append(row)
    return [
        SeverityRow(
            severity=severity,
            num_kinds=len(group),
            accuracy=_spread(row.accuracy for row in group),
            nll=_spread(row.nll for row in group),
            ece=_spread(row.ece for row in group),
        )
        for severity, group in sorted(by_severity.items())
    ]


def _spread(values: Iterable[float]) -> Spread:
    numbers = [float(value) for value in values]
    mean = float(np.mean(numbers))
    return Spread(mean=mean, smallest=min(numbers), largest=max(numbers))
