"""What is known of the runs of entries, and why there is nothing of others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from trainers.runs import Run, RunError
from trainers.status import ALIVE
from ui.components import reading
from ui.components.formats import number
from ui.components.guarded import BROKEN
from ui.components.latest import Stamp, stamp_of
from ui.components.reading import Summary
from ui.components.states import DAMAGED
from ui.views.compare.groups import Entry

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The numbers of an evaluation.

    Args:
        values: Estimates, or plain numbers where a file has no interval, by name and
            out-of-distribution set, "" for none.
        num_examples: Test examples.
        num_samples: Posterior samples.
    """

    values: Mapping[tuple[str, str], float]
    num_examples: int
    num_samples: int


def gathered(
    entries: Sequence[Entry], compute: Callable[[Run], Found]
) -> tuple[list[tuple[Entry, list[Found]]], dict[str, list[str]]]:
    """Compute something of every run.

    Args:
        entries: Runs and families.
        compute: Called with each run; what it raises is told.

    Returns:
        The entries of which there is something, with what was found of their runs; and
        for each reason what is missing because of it.
    """
    found: list[tuple[Entry, list[Found]]] = []
    missing: dict[str, list[str]] = {}
    for entry in entries:
        several: list[Found] = []
        for view in entry.views:
            try:
                several.append(compute(view.run))
            except BROKEN as error:
                who = entry.name
                if entry.is_family:
                    seed = view.config.training.seed if view.config else view.run.id
                    who = f"{entry.name}, seed {seed}"
                missing.setdefault(why(view, error), []).append(who)
        if several:
            found.append((entry, several))
    return found, missing


def known(view: Summary, compute: Callable[[Run], Found]) -> Found | None:
    """What is computed of a run; None where it cannot be."""
    try:
        return compute(view.run)
    except BROKEN:
        return None


def why(view: Summary, error: Exception) -> str:
    """Why there is nothing of a run, for a sentence."""
    if view.state == DAMAGED:
        return f"the folder is damaged, {view.problem}"
    if not view.run.evaluation.exists():
        return "not evaluated yet" if view.state in ALIVE else "was not evaluated"
    known = isinstance(error, RunError | OSError | ValueError)
    text = str(error) if known else f"a file is damaged: {error!r}"
    return reading.told(view.run, RunError(text)).rstrip(".")


def scores(run: Run) -> Scores:
    """The numbers of evaluation.json; RunError if there are none."""
    return _scores(str(run.path), stamp_of(run.evaluation))


@st.cache_resource(max_entries=512, show_spinner=False)
def _scores(path: str, stamp: Stamp) -> Scores:  # noqa: ARG001 - the cache's key
    content = reading.evaluation(Run(Path(path)))
    if content is None:
        raise RunError("it was not evaluated.")
    count = int(content["num_examples"])
    values = _estimates("", content, content.get("metrics"), count)
    for name, result in (content.get("ood") or {}).items():
        values |= _estimates(name, result, result, count)
    return Scores(
        values=values, num_examples=count, num_samples=int(content["num_samples"])
    )


def _estimates(
    name: str, content: Mapping[str, Any], numbers: Any, count: int
) -> dict[tuple[str, str], float]:
    from calibration import MEASURES, Estimate

    intervals = content.get("intervals") or {}
    made: dict[tuple[str, str], float] = {}
    for measure, value in numbers.items():
        if measure not in MEASURES or not number(value):
            continue
        low, high = intervals.get(measure, (None, None))
        known = number(low) and number(high)
        made[measure, name] = (
            Estimate(value, low=low, high=high, count=count, method="")
            if known
            else float(value)
        )
    return made
