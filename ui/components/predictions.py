"""The predictions of a run for the pages: what of an array is needed, and no more.

An array of predictions.npz may be larger than the memory of the server: it is mapped,
not read, and its samples are averaged a stretch of examples at a time.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from calibration import check_labels, decompose, predictive
from trainers.mapped import array_names, mapped_array
from trainers.runs import Run, RunError
from ui.components.latest import Stamp, stamp_of

TEST, VALIDATION, OOD = "", "validation", "ood_"
STRETCH = 2**22  # probabilities at a time: 32 MiB in float64

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """What the network believes of one set of examples.

    Args:
        samples: Probabilities as they were predicted, [S, N, C] or [N, C]; mapped.
        mean: Predictive probabilities, [N, C].
        total: Predictive entropy in nats, [N].
        expected: Its aleatoric part, [N].
        mutual_information: Its epistemic part, [N]; 0 for one set of weights.
        confidence: Probability of the most probable class, [N]; apart from `mean`, as
            single precision would make ties of the surest examples.
        labels: True classes, [N]; None of out-of-distribution sets.
    """

    samples: NDArray[np.float32]
    mean: NDArray[np.float32]
    total: Floats
    expected: Floats
    mutual_information: Floats
    confidence: Floats
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def num_samples(self) -> int:
        """S, 1 for one set of weights."""
        return len(self.samples) if self.samples.ndim == 3 else 1

    @cached_property
    def prediction(self) -> NDArray[np.int64]:
        """Most probable class, [N]."""
        found: NDArray[np.int64] = self.mean.argmax(-1)
        return found

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the true one, [N]; needs labels."""
        if self.labels is None:
            raise RunError("These examples have no labels.")
        found: NDArray[np.bool_] = self.prediction == self.labels
        return found

    def exact_mean(self) -> Floats:
        """`mean` in double precision, as reports have it, [N, C]; computed anew."""
        return np.concatenate([predictive(each) for each in _stretches(self.samples)])

    def samples_of(self, rows: NDArray[np.intp] | list[int]) -> NDArray[np.float32]:
        """Probabilities of some examples under each sample, [S, K, C]."""
        stack = self.samples if self.samples.ndim == 3 else self.samples[None]
        return np.asarray(stack[:, rows])


def parts(run: Run) -> list[str]:
    """The names of the sets that a run predicted: `TEST`, "ood_NAME", `VALIDATION`."""
    names = set(array_names(run.predictions))
    known = [TEST] if "probabilities" in names else []
    known += sorted(name for name in names if name.startswith(OOD))
    return known + ([VALIDATION] if "validation_probabilities" in names else [])


def part(run: Run, name: str = TEST) -> Part:
    """What a run predicted of one set.

    Args:
        run: An evaluated run.
        name: `TEST`, "ood_NAME" or `VALIDATION`.

    Raises:
        RunError: If there is no such set, or the file is missing or damaged.
    """
    path, stamp = str(run.path), stamp_of(run.predictions)
    _asked[path].add((stamp, name))
    return _part(path, stamp, name)


def forget(run: Run) -> None:
    """Let go of what is remembered of a run; before or after its folder is deleted.

    A mapped file takes its place on the disk until nobody has it open.
    """
    path = str(run.path)
    for stamp, name in [*_asked.pop(path, ())]:  # others may be asking
        _part.clear(path, stamp, name)


def array(run: Run, name: str) -> NDArray[np.generic]:
    """An array of predictions.npz by its name, mapped; RunError if it is not there."""
    return mapped_array(run.predictions, name)


# What was asked for, by the run's path: Streamlit clears what it is given in full.
_asked: dict[str, set[tuple[Stamp, str]]] = defaultdict(set)


# The time is for runs that are deleted at the command line.
@st.cache_resource(max_entries=8, ttl=timedelta(hours=1), show_spinner=False)
def _part(path: str, stamp: Stamp, name: str) -> Part:  # noqa: ARG001
    file = Run(Path(path)).predictions
    prefix = f"{name}_" if name == VALIDATION else ""
    key = name if name.startswith(OOD) else f"{prefix}probabilities"
    samples = mapped_array(file, key)
    known = None
    if not name.startswith(OOD):
        known = mapped_array(file, f"{prefix}labels")
    try:
        if samples.ndim not in (2, 3) or not samples.size:
            raise ValueError(f"they have shape {samples.shape}.")
        reduced = _reduced(samples)
        classes = None if known is None else check_labels(known, *samples.shape[-2:])
    except ValueError as error:
        raise RunError(f"{file}: {key} cannot be used: {error}") from None
    return Part(samples, *reduced, classes)


def _reduced(
    samples: NDArray[np.float32],
) -> tuple[NDArray[np.float32], Floats, Floats, Floats, Floats]:
    """Mean, the parts of its entropy and its largest, a stretch of examples a time."""
    means, numbers = [], []
    for stretch in _stretches(samples):
        split, mean = decompose(stretch), predictive(stretch)
        means.append(mean.astype(np.float32))
        nats = split.total, split.expected, split.mutual_information
        numbers.append((*nats, mean.max(axis=-1)))
    first, second, third, last = map(np.concatenate, zip(*numbers, strict=True))
    return np.concatenate(means), first, second, third, last


def _stretches(samples: NDArray[np.float32]) -> Iterator[Floats]:
    """Some examples after others, as many as are worked on at a time."""
    total = samples.shape[-2]
    each = max(1, STRETCH // (samples.size // total))
    for start in range(0, total, each):
        yield np.asarray(samples[..., start : start + each, :], np.float64)
