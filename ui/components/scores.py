"""How little sure a run is of its examples, by every score that its predictions allow.

Of each score a larger one means less sure, and more out of distribution. Those of
probabilities rank predictions as well; logits and features of other sets are there to
detect them.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from calibration.ood import SCORES, energy_score, max_logit_score
from trainers.mapped import array_names
from trainers.runs import Run, RunError
from ui.components import predictions
from ui.components.latest import Stamp, stamp_of
from ui.components.predictions import OOD, Part

BLOCK = 2**14  # examples at a time, of logits
CONFIDENCE = "max_probability"  # what predictions are refused by unless told otherwise
CERTAINTIES = (CONFIDENCE, "entropy", "mutual_information")  # to refuse by

Scores = NDArray[np.float64]

_OF_PARTS: Mapping[str, Callable[[Part], Scores]] = {
    "entropy": lambda part: part.total,
    "max_probability": lambda part: 1 - part.confidence,
    "mutual_information": lambda part: part.mutual_information,
    "expected_entropy": lambda part: part.expected,
}
_OF_LOGITS: Mapping[str, Callable[[NDArray[Any]], Scores]] = {
    "energy": energy_score,
    "max_logit": max_logit_score,
}
_TRAIN = ("features_train", "labels_train")


def sets(run: Run) -> list[str]:
    """The names of the other sets that a run predicted; RunError if unreadable."""
    found = predictions.parts(run)
    return [name.removeprefix(OOD) for name in found if name.startswith(OOD)]


def certainties(*, sampled: bool) -> dict[str, str]:
    """The scores that predictions can be refused by, by name with their titles.

    Args:
        sampled: Whether there are several sets of weights: one cannot disagree with
            itself.
    """
    return {
        name: SCORES[name].title
        for name in CERTAINTIES
        if sampled or SCORES[name].needs != "samples"
    }


def offered(run: Run, name: str) -> dict[str, str]:
    """The scores that can be had of a set, by name with their titles.

    Args:
        run: An evaluated run.
        name: Of `sets`.

    Raises:
        RunError: If the predictions cannot be read.
    """
    return dict(_offered(str(run.path), stamp_of(run.predictions), name))


def merged(titles: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The scores that any of several runs offers, those of features last."""
    found = {key: title for each in titles for key, title in each.items()}
    order = [*SCORES]
    return dict(
        sorted(
            found.items(),
            key=lambda item: order.index(item[0]) if item[0] in SCORES else len(order),
        )
    )


def scores(run: Run, name: str, score: str) -> Scores:
    """Score the examples of a set, [N]; computed once.

    Args:
        run: An evaluated run.
        name: Of `predictions.parts`.
        score: Key of `offered`.

    Raises:
        RunError: If what the score needs is not there.
        ValueError: If the arrays do not suit it.
    """
    return _scores(str(run.path), stamp_of(run.predictions), name, score)


def of_part(part: Part, score: str) -> Scores:
    """Score examples by their probabilities, [N]; RunError where they tell nothing."""
    if SCORES[score].needs == "samples" and part.num_samples < 2:
        title = SCORES[score].title.lower()
        raise RunError(f"one set of weights has no {title}")
    return _OF_PARTS[score](part)


@st.cache_resource(max_entries=512, show_spinner=False)
def _offered(path: str, stamp: Stamp, name: str) -> Mapping[str, str]:  # noqa: ARG001
    run = Run(Path(path))
    arrays = set(array_names(run.predictions))
    given = {"probabilities"}
    stack = predictions.array(run, f"{OOD}{name}")
    if stack.ndim == 3 and len(stack) > 1:
        given.add("samples")
    if {"logits", f"logits_{OOD}{name}"} <= arrays:
        given.add("logits")
    found = {key: each.title for key, each in SCORES.items() if each.needs in given}
    if {"features", f"features_{OOD}{name}", *_TRAIN} <= arrays:
        from calibration.ood.features import DETECTORS

        found |= {
            key: each.title
            for key, each in DETECTORS.items()
            if not each.needs_logits or "logits_train" in arrays
        }
    return found


@st.cache_resource(max_entries=64, show_spinner=False)
def _scores(path: str, stamp: Stamp, name: str, score: str) -> Scores:
    run, suffix = Run(Path(path)), f"_{name}" if name else ""
    if score in _OF_PARTS:
        return of_part(predictions.part(run, name), score)
    if score in _OF_LOGITS:
        logits = predictions.array(run, f"logits{suffix}")
        places = range(0, logits.shape[-2], BLOCK)
        found = [_OF_LOGITS[score](logits[..., i : i + BLOCK, :]) for i in places]
        return np.concatenate(found)
    features = predictions.array(run, f"features{suffix}")
    detected: Scores = _detector(path, stamp, score).score(features)
    return detected


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
