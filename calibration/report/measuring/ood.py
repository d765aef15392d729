"""Every score on every out-of-distribution set."""

from collections.abc import Mapping
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from calibration.ood import (
    Detection,
    all_scores,
    evaluate_detectors,
    roc_curve,
    score_histogram,
)
from calibration.ood.features import (
    Detector,
    Mahalanobis,
    NearestNeighbours,
    RelativeMahalanobis,
    ViM,
)
from calibration.report.data import OodGroup, OodScore, OodSet
from calibration.report.predictions import Features, Predictions, PredictionsError

HEADLINE = "entropy"
ROC_POINTS = 200
TITLES = {
    "entropy": "Predictive entropy",
    "max_probability": "Maximum probability",
    "mutual_information": "Mutual information",
    "expected_entropy": "Expected entropy",
    "energy": "Energy",
    "max_logit": "Maximum logit",
    "mahalanobis": "Mahalanobis distance",
    "relative_mahalanobis": "Relative Mahalanobis distance",
    "nearest_neighbours": "Distance to the nearest neighbours",
    "vim": "ViM",
}

Scores = dict[str, NDArray[np.float64]]


def ood_sets(predictions: Predictions) -> tuple[list[OodSet], list[OodGroup]]:
    """Judge every score on every set, and on near and far sets together.

    Args:
        predictions: The model's predictions.

    Returns:
        One entry a set, and one for each of near and far that has sets.
    """
    if not predictions.ood:
        return [], []
    inside, outside = _scores(predictions)
    report = evaluate_detectors(inside, outside, predictions.near, predictions.far)
    sets = [
        _ood_set(name, predictions, report.sets[name], inside, outside[name])
        for name in predictions.ood
    ]
    groups = [
        OodGroup(name=name, members=list(report.members[name]), scores=_rows(found))
        for name, found in report.groups.items()
    ]
    return sets, groups


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


def _scores(predictions: Predictions) -> tuple[Scores, dict[str, Scores]]:
    """The scores that can be had of the test examples and of all sets alike."""
    ood, logits = predictions.ood, predictions.ood_logits
    everywhere = predictions.logits is not None and set(logits) >= set(ood)
    inside = all_scores(
        predictions.probabilities, predictions.logits if everywhere else None
    )
    outside = {
        name: all_scores(rows, logits[name] if everywhere else None)
        for name, rows in ood.items()
    }
    shared = set(inside).intersection(*outside.values())
    features = predictions.features
    if features is None or not set(features.ood) >= set(ood):
        return _only(inside, shared), {k: _only(v, shared) for k, v in outside.items()}
    _check_features(predictions, features)
    for name, detector in _fitted(features).items():
        inside[name] = detector.score(features.test)
        for each, scores in outside.items():
            scores[name] = detector.score(features.ood[each])
        shared.add(name)
    return _only(inside, shared), {k: _only(v, shared) for k, v in outside.items()}


def _only(scores: Scores, names: set[str]) -> Scores:
    return {name: each for name, each in scores.items() if name in names}


def _check_features(predictions: Predictions, features: Features) -> None:
    pairs = {"features": (features.test, len(predictions.labels))}
    for name, rows in predictions.ood.items():
        pairs[f"features_ood_{name}"] = (features.ood[name], rows.shape[-2])
    for name, (array, wanted) in pairs.items():
        if len(array) != wanted:
            raise PredictionsError(
                f"{name} must have one row for each of {wanted} examples, "
                f"got {len(array)}."
            )


def _fitted(features: Features) -> dict[str, Detector]:
    train, labels = features.train, features.train_labels
    fitted: dict[str, Detector] = {
        "mahalanobis": Mahalanobis().fit(train, labels),
        "relative_mahalanobis": RelativeMahalanobis().fit(train, labels),
        "nearest_neighbours": NearestNeighbours().fit(train, labels),
    }
    if features.train_logits is not None:
        # Where logits are not affine in the features there is no ViM.
        with suppress(ValueError):
            fitted["vim"] = ViM().fit(train, labels, logits=features.train_logits)
    return fitted
