"""What the runs of a study come to: numbers, comparisons and sentences. Torch-free."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration import Estimate
from calibration.definitions import MEASURES
from calibration.report import written
from calibration.rivals import BETTER, LEAST_SEEDS, WORSE, Rival, best_rival
from trainers.against import Line, Place, same
from trainers.studies import Study

_MINUS = str.maketrans({"-": "\N{MINUS SIGN}"})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the runs of a line say to a study's question, by one measure.

    Args:
        measure: Of `calibration.MEASURES`.
        reference: Value of the setting that others were compared with.
        rival: The best of the others; None where no seed is shared with one.
    """

    measure: str
    reference: float
    rival: Rival | None


def findings(study: Study, line: Line, measures: Sequence[str]) -> list[Finding]:
    """Compare the values of a line with the study's reference, seed by seed.

    Args:
        study: The study.
        line: Runs against its setting.
        measures: Of `calibration.MEASURES`.

    Returns:
        A finding a measure; none where the reference was not run.
    """
    value = reference_of(study, line)
    if value is None:
        return []
    reference = line.at(value)
    rivals = [place for place in line.places if _is_rival(study, place, value)]
    if reference is None or not rivals:
        return []
    return [
        Finding(
            measure=name,
            reference=value,
            rival=best_rival(
                reference.by_seed(name),
                {place.value: place.by_seed(name) for place in rivals},
                MEASURES[name].better,
            ),
        )
        for name in measures
    ]


def reference_of(study: Study, line: Line) -> float | None:
    """The value that a study compares others with; None where it is unknown."""
    try:
        return None if line.is_level else study.reference_for(line.config)
    except ValueError:
        return None


def _is_rival(study: Study, place: Place, reference: float) -> bool:
    if place.value is None or same(place.value, reference):
        return False
    return place.value < reference or not study.below


def verdict(study: Study, found: Finding) -> str:
    """What a finding comes to, in a sentence.

    Args:
        study: The study.
        found: One measure.
    """
    name, rival = written.short(found.measure), found.rival
    at = f"{_words(study.axis)} {found.reference:.4g} ({study.reference_title})"
    if rival is None:
        return f"{name}: no {study.rival_title} value shares a seed with {at}."
    tried = f" of {rival.tried}" if rival.tried > 1 else ""
    return (
        f"{name}: the best{tried} {study.rival_title}, {rival.key:.4g}, differs from "
        f"{at} by {change(found.measure, rival)}: {_judged(study, rival)}."
    )


def change(measure: str, rival: Rival) -> str:
    """A difference with its interval, if there is one, in words."""
    known = rival.low is not None and rival.high is not None
    low = -math.inf if rival.low is None else rival.low
    high = math.inf if rival.high is None else rival.high
    cell = written.change(
        measure,
        Estimate(rival.difference, low=low, high=high, count=rival.count, method="t"),
    )
    told = f"{cell.text} {cell.detail}" if known else cell.text
    return told.translate(_MINUS)


def _judged(study: Study, rival: Rival) -> str:
    seeds = f"{rival.count} seed{'s' if rival.count != 1 else ''}"
    if rival.verdict == BETTER:
        return f"better beyond the spread of {seeds}, {study.effect}"
    if rival.verdict == WORSE:
        return f"worse beyond the spread of {seeds}, {study.no_effect}"
    if rival.low is None:
        return f"{seeds} tell{'s' if rival.count == 1 else ''} nothing of the spread"
    if rival.count < LEAST_SEEDS:
        return f"{seeds} are too few to tell"
    return f"within the spread of {seeds}, no clear difference"


def best_place(line: Line, measure: str) -> Place | None:
    """The value with the best mean of a measure; None where no run has it.

    Those with the most seeds alone count: one lucky seed is no match for a mean.
    """
    known = [
        (each, place) for place in line.places if (each := place.over_seeds(measure))
    ]
    most = max((summary.count for summary, _ in known), default=0)
    sign = 1.0 if MEASURES[measure].better == "higher" else -1.0
    rivals = [(sign * s.mean, place) for s, place in known if s.count == most]
    return max(rivals, key=lambda pair: pair[0])[1] if rivals else None


def told_best(line: Line, axis: str, measure: str) -> str:
    """The best value of a line in a sentence, "" where there is none."""
    place = best_place(line, measure)
    if place is None or place.value is None:
        return ""
    found = place.over_seeds(measure)
    assert found is not None
    number = (
        written.value(measure, found.mean)
        if found.deviation is None
        else written.spread(measure, found.mean, found.deviation)
    )
    seeds = f"{found.count} seed{'s' if found.count != 1 else ''}"
    return (
        f"{line.name}: best {written.short(measure)} {number} at {_words(axis)} "
        f"{place.value:.4g} ({seeds})."
    )


def sentences(
    study: Study | None, lines: Sequence[Line], axis: str, measures: Sequence[str]
) -> list[str]:
    """All that the runs come to.

    Args:
        study: The question, None for a setting of which nobody asked one.
        lines: Against the setting.
        axis: The setting.
        measures: Of `calibration.MEASURES`.
    """
    told: list[str] = []
    several = sum(not line.is_level for line in lines) > 1
    for line in lines:
        found = findings(study, line, measures) if study else []
        name = f"{line.name}. " if several else ""
        told += [name + verdict(study, each) for each in found if study]
        if not found and len(line.places) > 1:
            told += [told_best(line, axis, each) for each in measures]
    return [each for each in told if each]


def table(lines: Sequence[Line], measures: Sequence[str]) -> list[Mapping[str, Any]]:
    """The numbers of all lines, a row a value.

    Args:
        lines: As `trainers.against.lines` gives them.
        measures: Of `calibration.MEASURES`.

    Returns:
        "line", "value", "seeds", and of each measure its mean ("nll"), deviation
        ("nll_deviation") and mean at the posterior mean ("nll_at_mean"); None for what
        there is not.
    """
    return [
        {"line": line.name, "value": place.value, "seeds": len(place.runs)}
        | {key: number for each in measures for key, number in _cells(place, each)}
        for line in lines
        for place in line.places
    ]


def _cells(place: Place, measure: str) -> list[tuple[str, float | None]]:
    found, at_mean = place.over_seeds(measure), place.over_seeds(measure, at_mean=True)
    return [
        (measure, found.mean if found else None),
        (f"{measure}_deviation", found.deviation if found else None),
        (f"{measure}_at_mean", at_mean.mean if at_mean else None),
    ]


def _words(axis: str) -> str:
    return axis.replace("_", " ")
