"""What corruptions do to runs, as far as all of them were judged by the same images."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from data.corruptions import CORRUPTIONS, SEVERITIES
from trainers.mapped import array_names, mapped_array
from trainers.runs import Run, RunError
from ui.components.formats import count, words
from ui.components.latest import Stamp, stamp_of

MEASURED = ("accuracy", "nll", "ece")

Levels = Mapping[int, float]  # a number by severity, 0 for the images as they are


@dataclass(frozen=True, eq=False)
class Shift:
    """What shift.npz holds of a run.

    Args:
        table: By kind of corruption and name of `MEASURED`, a number by severity.
        indices: Which of the test images they are, [M].
        labels: Their classes, [M].
    """

    table: Mapping[str, Mapping[str, Levels]]
    indices: NDArray[Any]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def mean(self, kinds: Sequence[str], measure: str) -> Levels:
        """The mean over kinds, at each severity that all of them have."""
        rows = [self.table[kind][measure] for kind in kinds]
        levels = sorted(set.intersection(*(set(row) for row in rows)))
        return {k: float(np.mean([row[k] for row in rows])) for k in levels}


def shift(run: Run) -> Shift:
    """What corruptions do to a run; RunError if it was not measured."""
    return _shift(str(run.path), stamp_of(run.shift))


def alike(run: Run, reference: Shift, kinds: Collection[str] = ()) -> Shift:
    """What corruptions do to a run, if it can be set beside another.

    Args:
        run: The run.
        reference: The other's.
        kinds: Corruptions that it must have.

    Raises:
        RunError: If it was not measured, or on other images, or not with these.
    """
    found = shift(run)
    pairs = (
        (found.indices, reference.indices), (found.labels, reference.labels),
    )  # fmt: skip
    if not all(np.array_equal(*pair) for pair in pairs):
        raise RunError(f"measured on other test images, {count(len(found))} of them")
    lacking = [words(kind).lower() for kind in kinds if kind not in found.table]
    if lacking:
        raise RunError(f"{', '.join(lacking)} was not measured")
    return found


def kinds_of(several: Sequence[Shift]) -> tuple[list[str], list[str]]:
    """The corruptions that any of some runs has, and those that all of them have."""
    held = [set(each.table) for each in several]
    anywhere = [kind for kind in CORRUPTIONS if any(kind in each for each in held)]
    return anywhere, [k for k in anywhere if all(k in each for each in held)]


@st.cache_resource(max_entries=256, show_spinner=False)
def _shift(path: str, stamp: Stamp) -> Shift:  # noqa: ARG001 - the cache's key
    from calibration import shift_table

    file = Run(Path(path)).shift
    if not file.exists():
        raise RunError("distribution shift was not measured")
    names = set(array_names(file))
    shifted = {
        (kind, level): mapped_array(file, f"{kind}_{level}")
        for kind in CORRUPTIONS
        for level in SEVERITIES
        if f"{kind}_{level}" in names
    }
    if not shifted:
        raise RunError(f"{file} holds no corrupted predictions.")
    clean, labels = mapped_array(file, "clean"), mapped_array(file, "labels")
    first, *rows = shift_table(clean, shifted, labels)
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        for name in MEASURED:
            levels = found.setdefault(row.kind, {}).setdefault(
                name, {0: float(getattr(first, name))}
            )
            levels[row.severity] = float(getattr(row, name))
    # Copies: a mapped file would stay on the disk when its run is deleted.
    indices = np.array(mapped_array(file, "indices"))
    return Shift(found, indices, np.array(labels))
