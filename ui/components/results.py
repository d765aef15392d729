"""What a list of runs shows of each evaluation: its headline numbers, and no more.

An evaluation.json may hold maps and curves of hundreds of kilobytes. It is parsed once
for the few numbers of it, and again only when it changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainers.runs import Run, RunError, read_json
from ui.components.formats import number
from ui.components.latest import ABSENT, Latest, stamp_of

Numbers = Mapping[str, float]
LARGEST = 1e300


@dataclass(frozen=True)
class Results:
    """The numbers of an evaluation.

    Args:
        metrics: Headline numbers by name, on the test split.
        ood: Numbers by name for each out-of-distribution set.
        at_mean: Headline numbers at the posterior mean, {} where there is none.
        problem: What is wrong with the file, "" if nothing.
    """

    metrics: Numbers = field(default_factory=dict)
    ood: Mapping[str, Numbers] = field(default_factory=dict)
    at_mean: Numbers = field(default_factory=dict)
    problem: str = ""


NOTHING = Results()
_known: Latest[Results] = Latest()


def results(run: Run, *, read: bool = True) -> Results | None:
    """The numbers of a run's evaluation.

    Args:
        run: The run.
        read: Whether to read the file if it was not read yet.

    Returns:
        The numbers, none of them before there is an evaluation; None if the file would
        have to be read and shall not be.
    """
    stamp = stamp_of(run.evaluation)
    if stamp == ABSENT:
        return NOTHING
    known = _known.get(run.evaluation, stamp)
    if known is not None or not read:
        return known
    return _known.put(run.evaluation, stamp, _read(run))


def _read(run: Run) -> Results:
    try:
        content = read_json(run.evaluation)
        check_evaluation(run, content)
    except RunError as error:
        return Results(problem=str(error))
    ood = content.get("ood")
    sets = ood.items() if isinstance(ood, dict) else ()
    return Results(
        metrics=_numbers(content["metrics"]),
        ood={name: _numbers(values) for name, values in sets},
        at_mean=_numbers(content.get("mean")),
    )


def check_evaluation(run: Run, content: Any) -> None:
    """Refuse decoded JSON that is no evaluation; RunError."""
    if not isinstance(content, dict) or not isinstance(content.get("metrics"), dict):
        raise RunError(f"{run.evaluation} is not an evaluation: it has no metrics.")


def _numbers(values: Any) -> Numbers:
    items = values.items() if isinstance(values, dict) else ()
    # A whole number may be too large for a float.
    return {
        name: float(value)
        for name, value in items
        if number(value) and not isinstance(value, bool) and abs(value) < LARGEST
    }
