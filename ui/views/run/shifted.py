"""What a run's predictions of corrupted images are worth, computed once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from calibration import shift_table
from calibration.shift import CLEAN, ShiftRow
from data.corruptions import CORRUPTIONS, SEVERITIES
from trainers.mapped import array_names, mapped_array
from trainers.runs import Run, RunError
from ui.components.latest import Stamp, stamp_of


def shift_rows(run: Run) -> list[ShiftRow]:
    """Judge what shift.npz holds.

    Args:
        run: A run that was measured.

    Returns:
        A row for the images as they are, and one for each kind and severity; none of
        the kinds that are `left_out`.

    Raises:
        RunError: If the file cannot be read.
        ValueError: If what it says of the images as they are is damaged.
    """
    return _judged(str(run.path), stamp_of(run.shift))[0]


def left_out(run: Run) -> Mapping[str, str]:
    """The kinds that shift.npz holds damaged, and what is wrong; raises likewise."""
    return _judged(str(run.path), stamp_of(run.shift))[1]


@st.cache_resource(max_entries=8, show_spinner="Judging the corrupted images…")
def _judged(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
) -> tuple[list[ShiftRow], dict[str, str]]:
    file = Run(Path(path)).shift
    names = set(array_names(file))
    kinds = [
        kind
        for kind in CORRUPTIONS
        if any(f"{kind}_{level}" in names for level in SEVERITIES)
    ]
    if not kinds:
        raise RunError(f"{file} is damaged: it holds no corrupted predictions.")
    try:
        return _table(file, kinds), {}
    except (RunError, ValueError):  # perhaps of one kind alone
        return _whole_ones(file, kinds)


def _table(file: Path, kinds: Sequence[str]) -> list[ShiftRow]:
    names = set(array_names(file))
    shifted = {
        (kind, level): mapped_array(file, f"{kind}_{level}")
        for kind in kinds
        for level in SEVERITIES
        if f"{kind}_{level}" in names
    }
    return shift_table(mapped_array(file, CLEAN), shifted, mapped_array(file, "labels"))


def _whole_ones(
    file: Path, kinds: Sequence[str]
) -> tuple[list[ShiftRow], dict[str, str]]:
    rows, left = _table(file, []), dict[str, str]()
    for kind in kinds:
        try:
            rows += _table(file, [kind])[1:]
        except (RunError, ValueError) as error:
            left[kind] = str(error)
    if len(rows) == 1:
        raise RunError(f"{file} is damaged: {next(iter(left.values()))}")
    return rows, left
