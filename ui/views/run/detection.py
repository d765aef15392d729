"""How well a score tells a set of other inputs from the test set, computed once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from calibration import Estimate
from calibration.intervals import proportion
from calibration.ood import (
    SCORES,
    Detection,
    PrecisionRecallCurve,
    RocCurve,
    ScoreHistogram,
    energy_score,
    evaluate_detectors,
    max_logit_score,
    precision_recall_curve,
    roc_curve,
    score_histogram,
)
from trainers.mapped import array_names
from trainers.runs import Run
from ui.components import predictions
from ui.components.predictions import OOD, TEST, Part
from ui.components.reading import stamp_of

NUM_BINS = 60
MAX_POINTS = 1000  # of a curve
BLOCK = 2**14  # examples at a time, of logits
# What stands on an axis, with the unit.
AXES = {
    "entropy": "Predictive entropy, nats",
    "max_probability": "1 less the largest probability",
    "mutual_information": "Mutual information, nats",
    "expected_entropy": "Expected entropy, nats",
    "energy": "Energy",
    "max_logit": "Less the largest logit",
}

_TRAIN = ("features_train", "labels_train")

Scores = NDArray[np.float64]
Stamp = tuple[int, int, int]

_OF_PARTS: dict[str, Callable[[Part], Scores]] = {
    "entropy": lambda part: part.total,
    "max_probability": lambda part: 1 - part.confidence,
    "mutual_information": lambda part: part.mutual_information,
    "expected_entropy": lambda part: part.expected,
}
_OF_LOGITS: dict[str, Callable[[NDArray[Any]], Scores]] = {
    "energy": energy_score,
    "max_logit": max_logit_score,
}


@dataclass(frozen=True)
class Flagged:
    """What a threshold flags.

    Args:
        threshold: Examples that score at least so are flagged.
        num_caught: Flagged examples of the other set.
        num_alarms: Flagged examples of the test set.
        recall: Share of the other set that is flagged.
        alarms: Share of the test set that is flagged.
        precision: Share of the other set among the flagged; None if nothing is.
    """

    threshold: float
    num_caught: int
    num_alarms: int
    recall: Estimate
    alarms: Estimate
    precision: Estimate | None


@dataclass(frozen=True, eq=False)
class Detected:
    """A score on the test set and on another, and what is drawn of it.

    Args:
        inside: Scores of the test set, ascending, [N].
        outside: Scores of the other set, ascending, [M].
        detection: The measures.
        roc: Of at most `MAX_POINTS`.
        precision_recall: Likewise.
        histogram: Both sets over the same bins.
    """

    inside: Scores
    outside: Scores
    detection: Detection
    roc: RocCurve
    precision_recall: PrecisionRecallCurve
    histogram: ScoreHistogram

    def threshold_of_recall(self, recall: float) -> float:
        """The highest threshold that flags a share, above 0, of the other set."""
        # Quotients are compared, as in the library: 0.55 * 100 is above 55.
        shares = np.arange(1, len(self.outside) + 1) / len(self.outside)
        place = min(int(np.searchsorted(shares, recall)), len(shares) - 1)
        return float(self.outside[::-1][place])

    def threshold_of_alarms(self, share: float) -> float:
        """The lowest threshold that flags at most a share of the test set."""
        allowed = int(np.floor(share * len(self.inside) + 1e-9))
        if allowed >= len(self.inside):
            return float(min(self.inside[0], self.outside[0]))
        return float(np.nextafter(self.inside[::-1][allowed], np.inf))

    def at(self, threshold: float) -> Flagged:
        """Count what a threshold flags."""
        caught, alarms = (scores >= threshold for scores in (self.outside, self.inside))
        true = np.concatenate([
            np.ones(int(caught.sum()), bool), np.zeros(int(alarms.sum()), bool)
        ])  # fmt: skip
        return Flagged(
            threshold=threshold,
            num_caught=int(caught.sum()),
            num_alarms=int(alarms.sum()),
            recall=proportion(caught),
            alarms=proportion(alarms),
            precision=proportion(true) if len(true) else None,
        )


def sets(run: Run) -> list[str]:
    """The names of the other sets that a run predicted."""
    return [
        name.removeprefix(OOD)
        for name in predictions.parts(run)
        if name.startswith(OOD)
    ]


def scores(run: Run, name: str) -> dict[str, str]:
    """The scores that can be had of a set, by name with their titles.

    Raises:
        RunError: If the predictions cannot be read.
    """
    arrays = set(array_names(run.predictions))
    given = {"probabilities"}
    if predictions.part(run, OOD + name).num_samples > 1:
        given.add("samples")
    if {"logits", f"logits_{OOD}{name}"} <= arrays:
        given.add("logits")
    found = {key: each.title for key, each in SCORES.items() if each.needs in given}
    if {
        "features",
        f"features_{OOD}{name}",
        "features_train",
        "labels_train",
    } <= arrays:
        from calibration.ood.features import DETECTORS

        found |= {
            key: each.title
            for key, each in DETECTORS.items()
            if not each.needs_logits or "logits_train" in arrays
        }
    return found


def detected(run: Run, name: str, score: str) -> Detected:
    """Judge a score by how well it tells a set of other inputs.

    Args:
        run: An evaluated run.
        name: Of `sets`.
        score: Key of `scores`.

    Raises:
        RunError: If the predictions cannot be read.
        ValueError: If the arrays do not suit the score.
    """
    return _detected(str(run.path), stamp_of(run.predictions), name, score)


@st.cache_resource(max_entries=32, show_spinner="Scoring…")
def _detected(path: str, stamp: Stamp, name: str, score: str) -> Detected:
    inside = _scores(path, stamp, TEST, score)
    outside = _scores(path, stamp, OOD + name, score)
    report = evaluate_detectors({score: inside}, {name: {score: outside}})
    return Detected(
        inside=np.sort(inside),
        outside=np.sort(outside),
        detection=report.sets[name][score],
        roc=roc_curve(inside, outside, MAX_POINTS),
        precision_recall=precision_recall_curve(inside, outside, MAX_POINTS),
        histogram=score_histogram(inside, outside, NUM_BINS),
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _scores(path: str, stamp: Stamp, part: str, score: str) -> Scores:
    run, suffix = Run(Path(path)), f"_{part}" if part else ""
    if score in _OF_PARTS:
        return _OF_PARTS[score](predictions.part(run, part))
    if score in _OF_LOGITS:
        logits = predictions.array(run, f"logits{suffix}")
        places = range(0, logits.shape[-2], BLOCK)
        found = [_OF_LOGITS[score](logits[..., i : i + BLOCK, :]) for i in places]
        return np.concatenate(found)
    features = predictions.array(run, f"features{suffix}")
    found_scores: Scores = _detector(path, stamp, score).score(features)
    return found_scores


@st.cache_resource(max_entries=16, show_spinner=False)
def _detector(path: str, stamp: Stamp, score: str):  # type: ignore[no-untyped-def]  # noqa: ANN202, ARG001
    """A detector that is fitted to the training examples that the run kept."""
    from calibration.ood.features import DETECTORS

    run, spec = Run(Path(path)), DETECTORS[score]
    features, labels = (predictions.array(run, name) for name in _TRAIN)
    if not spec.needs_logits:
        return spec.detector().fit(features, labels)
    logits = predictions.array(run, "logits_train")
    return spec.detector().fit(features, labels, logits=logits)
