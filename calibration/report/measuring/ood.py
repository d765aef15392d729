"""Every score on every out-of-distribution set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.ood import (
    SCORES,
    Detection,
    all_scores,
    evaluate_detectors,
    roc_curve,
    score_histogram,
)
from calibration.ood.features import DETECTORS, Detector
from calibration.report.data import OodGroup, OodScore, OodSet
from calibration.report.predictions import Features, Predictions

HEADLINE = "entropy"
ROC_POINTS = 200
TITLES = {name: each.title for name, each in SCORES.items()} | {
    name: each.title for name, each in DETECTORS.items()
}

Scores = dict[str, NDArray[np.float64]]


def ood_sets(
    predictions: Predictions,
) -> tuple[list[OodSet], list[OodGroup], list[str]]:
    """Judge every score on every set, and on near and far sets together.

    Args:
        predictions: The model's predictions.

    Returns:
        One entry a set, one for each of near and far that has sets, and a sentence for
        each kind of score that could not be had though something was given for it.
    """
    if not predictions.ood:
        return [], [], []
    inside, outside, notes = _scores(predictions)
    report = evaluate_detectors(inside, outside, predictions.near, predictions.far)
    sets = [
        _ood_set(name, predictions, report.sets[name], inside, outside[name])
        for name in predictions.ood
    ]
    groups = [
        OodGroup(name=name, members=list(report.members[name]), scores=_rows(found))
        for name, found in report.averages.items()
    ]
    return sets, groups, [f"{predictions.name}: {note}" for note in notes]


def _ood_set(
    name: str,
    predictions: Predictions,
    found: Mapping[str, Detection],
    inside: Scores,
    outside: Scores,
) -> OodSet:
    scores = inside[HEADLINE], outside[HEADLINE]
    histogram, roc = score_histogram(*scores), roc_curve(*scores, max_points=ROC_POINTS)
    near, far = name in predictions.near, name in predictions.far
    return OodSet(
        name=name,
        distance="near" if near else "far" if far else "",
        num_examples=len(scores[1]),
        scores=_rows(found),
        edges=histogram.edges.tolist(),
        counts_in=histogram.in_distribution.tolist(),
        counts_out=histogram.out_of_distribution.tolist(),
        false_positive_rate=roc.false_positive_rate.tolist(),
        true_positive_rate=roc.true_positive_rate.tolist(),
    )


def _rows(found: Mapping[str, Detection]) -> list[OodScore]:
    return [
        OodScore(name=score, title=title, **vars(found[score]))
        for score, title in TITLES.items()
        if score in found
    ]


def _scores(predictions: Predictions) -> tuple[Scores, dict[str, Scores], list[str]]:
    """The scores that can be had of the test examples and of all sets alike."""
    ood, features = predictions.ood, predictions.features
    given = {"logits": (predictions.logits, predictions.ood_logits)}
    if features is not None:
        given["features"] = (features.test, features.ood)
    notes = [_missing(what, *arrays, ood) for what, arrays in given.items()]
    logits = predictions.ood_logits if set(predictions.ood_logits) >= set(ood) else {}
    inside = all_scores(
        predictions.probabilities, predictions.logits if logits else None
    )
    outside = {name: all_scores(rows, logits.get(name)) for name, rows in ood.items()}
    shared = set(inside).intersection(*outside.values())
    if features is not None and set(features.ood) >= set(ood):
        fitted, failures = _fitted(features)
        notes += failures
        shared |= set(fitted)
        for name, detector in fitted.items():
            inside[name] = detector.score(features.test)
            for each, scores in outside.items():
                scores[name] = detector.score(features.ood[each])
    kept = {name: _only(scores, shared) for name, scores in outside.items()}
    return _only(inside, shared), kept, [note for note in notes if note]


def _missing(
    what: str, test: Any, of_sets: Mapping[str, Any], ood: Mapping[str, Any]
) -> str:
    """Say why logits or features that were given for some are of no use."""
    lacking = [name for name in ood if name not in of_sets]
    if test is None and of_sets:
        lacking = ["the test examples"]
    elif test is None or not lacking:
        return ""
    return f"scores that need {what} are left out, as {', '.join(lacking)} has none."


def _only(scores: Scores, names: set[str]) -> Scores:
    return {name: each for name, each in scores.items() if name in names}


def _fitted(features: Features) -> tuple[dict[str, Detector], list[str]]:
    train, labels, logits = features.train, features.train_labels, features.train_logits
    failures = []
    fitted: dict[str, Detector] = {
        name: each.detector().fit(train, labels)
        for name, each in DETECTORS.items()
        if not each.needs_logits
    }
    for name, each in DETECTORS.items():
        if each.needs_logits and logits is not None:
            try:
                fitted[name] = each.detector().fit(train, labels, logits=logits)
            except ValueError as error:  # logits that are not affine in the features
                failures.append(f"{each.title} is left out: {error}")
    return fitted, failures
