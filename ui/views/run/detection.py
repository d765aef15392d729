"""How well a score tells a set of other inputs from the test set, computed once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from calibration import Estimate
from calibration.intervals import proportion
from calibration.ood import (
    Detection,
    PrecisionRecallCurve,
    RocCurve,
    ScoreHistogram,
    evaluate_detectors,
    precision_recall_curve,
    roc_curve,
    score_histogram,
)
from trainers.runs import Run
from ui.components.latest import Stamp, stamp_of
from ui.components.predictions import OOD, TEST
from ui.components.scores import Scores, scores
from ui.views.run.standing import threshold_catching

NUM_BINS = 60
MAX_POINTS = 1000  # of a curve
# What stands on an axis, with the unit.
AXES = {
    "entropy": "Predictive entropy, nats",
    "max_probability": "1 less the largest probability",
    "mutual_information": "Mutual information, nats",
    "expected_entropy": "Expected entropy, nats",
    "energy": "Energy",
    "max_logit": "Less the largest logit",
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
        return threshold_catching(self.outside, recall)

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


def detected(run: Run, name: str, score: str) -> Detected:
    """Judge a score by how well it tells a set of other inputs.

    Args:
        run: An evaluated run.
        name: Of `ui.components.scores.sets`.
        score: Key of `ui.components.scores.offered`.

    Raises:
        RunError: If the predictions cannot be read.
        ValueError: If the arrays do not suit the score.
    """
    return _detected(str(run.path), stamp_of(run.predictions), name, score)


@st.cache_resource(max_entries=32, show_spinner="Scoring…")
def _detected(path: str, stamp: Stamp, name: str, score: str) -> Detected:  # noqa: ARG001
    run = Run(Path(path))
    inside, outside = (scores(run, part, score) for part in (TEST, OOD + name))
    report = evaluate_detectors({score: inside}, {name: {score: outside}})
    return Detected(
        inside=np.sort(inside),
        outside=np.sort(outside),
        detection=report.sets[name][score],
        roc=roc_curve(inside, outside, MAX_POINTS),
        precision_recall=precision_recall_curve(inside, outside, MAX_POINTS),
        histogram=score_histogram(inside, outside, NUM_BINS),
    )
