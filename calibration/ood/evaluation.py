"""Every score on every OOD set, in one report.

*Near and far*: Yang et al. (2022), arXiv:2210.07242 (OpenOOD) average the measures over
sets that resemble the training data and over those that do not. All sets share the
in-distribution examples, so that their errors move together; the interval of an average
is the average of the intervals, which is never too narrow for that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibration.estimate import Estimate
from calibration.ood._measures import (
    area,
    false_positive_rate,
    precision_of_in,
    precision_of_out,
    smallest_error,
)
from calibration.ood._score_pair import ScorePair

AVERAGE = "average of intervals"


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well one score tells one OOD set.

    `calibration.definitions.MEASURES` says what each number is.

    Args:
        auroc: In 0..1; higher is better.
        aupr_out: In 0..1; higher is better.
        aupr_in: In 0..1; higher is better.
        fpr95: In 0..1; lower is better.
        detection_error: In 0..0.5; lower is better.
    """

    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr95: Estimate
    detection_error: Estimate

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """The five estimates as JSON-ready data."""
        return {name: getattr(self, name).as_dict() for name in DETECTION_MEASURES}


DETECTION_MEASURES = tuple(each.name for each in fields(Detection))


@dataclass(frozen=True, kw_only=True)
class DetectionReport:
    """Every score on every OOD set.

    Args:
        num_in: Number of in-distribution examples.
        num_out: Number of examples of each set.
        sets: A detection for each set, then for each score.
        averages: The same averaged over the sets of "near" and of "far", those given.
        members: Names of the sets in each average.
    """

    num_in: int
    num_out: Mapping[str, int]
    sets: Mapping[str, Mapping[str, Detection]]
    averages: Mapping[str, Mapping[str, Detection]] = field(default_factory=dict)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def best(self) -> dict[str, str]:
        """The score of the highest AUROC for each set and average, the first of equals.

        Chosen on the very examples it is judged on: fit to look at, not to publish as
        the performance of a detector chosen in advance.
        """
        return {
            name: max(scores, key=lambda score: scores[score].auroc)
            for name, scores in {**self.sets, **self.averages}.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return {
            "num_in": self.num_in,
            "num_out": dict(self.num_out),
            "sets": _as_dicts(self.sets),
            "averages": _as_dicts(self.averages),
            "members": {name: list(sets) for name, sets in self.members.items()},
            "best": self.best,
        }


def evaluate_detectors(
    in_scores: Mapping[str, ArrayLike],
    out_sets: Mapping[str, Mapping[str, ArrayLike]],
    near: Collection[str] = (),
    far: Collection[str] = (),
) -> DetectionReport:
    """Judge scores by how well they tell OOD sets from in-distribution examples.

    Args:
        in_scores: Scores of in-distribution examples by the score's name, ``[N]`` each.
        out_sets: For each OOD set the same scores of its examples, ``[M]`` each.
        near: Names of the sets that resemble the training data.
        far: Names of the sets that do not.

    Returns:
        Five measures of each score on each set, and averaged over near and far sets.

    Raises:
        ValueError: If a set is missing or lacks a score, or a score is invalid.
    """
    members = {
        distance: tuple(names)
        for distance, names in (("near", near), ("far", far))
        if names
    }
    _check_names(in_scores, out_sets, members)
    num_out = {
        name: _same_length(scores, f"out_sets[{name!r}]")
        for name, scores in out_sets.items()
    }
    sets = {
        set_name: {
            name: _detection(inside, scores[name], name, set_name)
            for name, inside in in_scores.items()
        }
        for set_name, scores in out_sets.items()
    }
    return DetectionReport(
        num_in=_same_length(in_scores, "in_scores"),
        num_out=num_out,
        sets=sets,
        averages={
            distance: {
                score: _average([sets[name][score] for name in names])
                for score in in_scores
            }
            for distance, names in members.items()
        },
        members=members,
    )


def _check_names(
    in_scores: Mapping[str, ArrayLike],
    out_sets: Mapping[str, Mapping[str, ArrayLike]],
    members: Mapping[str, Collection[str]],
) -> None:
    if not in_scores or not out_sets:
        empty = "out_sets" if in_scores else "in_scores"
        raise ValueError(f"{empty} must hold at least one entry, got none.")
    for name, scores in out_sets.items():
        if scores.keys() != in_scores.keys():
            raise ValueError(
                f"out_sets[{name!r}] must have the scores of in_scores "
                f"({', '.join(in_scores)}), got {', '.join(scores) or 'none'}. "
                "Were all sets predicted with as many samples, and with logits?"
            )
    for distance, names in members.items():
        unknown = [name for name in names if name not in out_sets]
        if unknown:
            raise ValueError(
                f"{distance} must name sets of out_sets ({', '.join(out_sets)}), "
                f"got {unknown[0]!r}."
            )


def _same_length(scores: Mapping[str, ArrayLike], name: str) -> int:
    lengths = {score: np.size(values) for score, values in scores.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"{name} must have as many examples in each score, got {lengths}."
        )
    return next(iter(lengths.values()))


def _detection(
    in_scores: ArrayLike, out_scores: ArrayLike, name: str, set_name: str
) -> Detection:
    pair = ScorePair(
        in_scores,
        out_scores,
        f"in_scores[{name!r}]",
        f"out_sets[{set_name!r}][{name!r}]",
    )
    return Detection(
        auroc=area(pair),
        aupr_out=precision_of_out(pair),
        aupr_in=precision_of_in(pair),
        fpr95=false_positive_rate(pair),
        detection_error=smallest_error(pair),
    )


def _average(detections: Sequence[Detection]) -> Detection:
    return Detection(**{
        measure: _average_estimate([getattr(one, measure) for one in detections])
        for measure in DETECTION_MEASURES
    })


def _average_estimate(estimates: Sequence[Estimate]) -> Estimate:
    if len(estimates) == 1:
        return estimates[0]
    return Estimate(
        fmean(estimates),
        low=fmean(one.low for one in estimates),
        high=fmean(one.high for one in estimates),
        count=sum(one.count for one in estimates),
        method=AVERAGE,
    )


def _as_dicts(
    detections: Mapping[str, Mapping[str, Detection]],
) -> dict[str, dict[str, Any]]:
    return {
        name: {score: one.as_dict() for score, one in scores.items()}
        for name, scores in detections.items()
    }
