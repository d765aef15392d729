"""The part of the launch form that makes many runs of one: a race, or a sweep."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS
from trainers.config import OOD_AUTO, OOD_NONE, SCHEDULES
from trainers.flags import flag
from trainers.hyperparameters import HyperParameter, OptimizerSpec
from trainers.jobs.launcher import MAX_GROUP
from trainers.sweep import CHOICES, GRID, LIST, SECTION_OF, SECTIONS
from ui.components.formats import plain
from ui.components.forms import explanation
from ui.views.launch.plans import ONE, RACE, SWEEP, Plan, parts, setting_title

_KINDS = {
    ONE: ":material/looks_one: One run",
    RACE: ":material/flag: Race",
    SWEEP: ":material/grid_view: Sweep",
}
_MODES = {GRID: "Every combination", LIST: "Side by side"}
NUM_AXES = 3
# What is no axis: seeds have a field of their own, and the others do not make another
# training.
_NO_AXES = {"seed", "folder", "log_interval", "num_processes", "device"}
_WORDS = {
    "dataset": [name for name, spec in DATASETS.items() if not spec.ood_only],
    "model": [*MODELS, "timm:NAME"],
    "optimizer": [*OPTIMIZERS],
    "schedule": [*SCHEDULES],
    "couple_momentum": ["true", "false"],
    "rescale_weights": ["true", "false"],
    "ood": [OOD_AUTO, OOD_NONE, *DATASETS],
}


def several(spec: OptimizerSpec) -> Plan:
    """Ask how many runs are wanted, and in what they differ.

    Args:
        spec: The optimizer that the form describes.
    """
    kind = st.segmented_control(
        "How many", list(_KINDS), default=ONE, required=True, key="kind",
        format_func=_KINDS.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    if kind == RACE:
        return _race(spec)
    if kind == SWEEP:
        return _sweep(spec)
    return Plan()


def _race(spec: OptimizerSpec) -> Plan:
    st.caption(
        f"The same data and model with each optimizer: {spec.title} with the values "
        "above, every other one with its own defaults."
    )
    chosen = st.multiselect(
        "Optimizers", list(OPTIMIZERS), default=list(OPTIMIZERS), key="race",
        format_func=lambda name: OPTIMIZERS[name].title,
    )  # fmt: skip
    seeds, group = _seeds_and_group()
    typed = {"optimizer": chosen, "seed": seeds} if chosen else {}
    return Plan(kind=RACE, typed=_given(typed), group=group)


def _sweep(spec: OptimizerSpec) -> Plan:
    st.caption(
        "The run above with other values of some settings: several seeds for the "
        "spread, a row for each setting that varies. Values stand between commas."
    )
    typed: dict[str, list[str]] = {}
    for number in range(NUM_AXES):
        name, values = _axis(number, spec, taken=typed)
        if name is None:
            break
        typed[name] = values
    seeds, group = _seeds_and_group()
    mode = st.radio(
        "Combine", list(_MODES), key="sweep-mode", format_func=_MODES.__getitem__,
        horizontal=True, help="Every combination of all values; or the first values "
        "together, then the second ones, and so on.",
    )  # fmt: skip
    return Plan(
        kind=SWEEP, typed=_given(typed | {"seed": seeds}), mode=mode, group=group
    )


def _given(typed: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in typed.items() if values}


def _seeds_and_group() -> tuple[list[str], str]:
    left, right = st.columns(2)
    seeds = left.text_input(
        "Seeds", key="seeds", placeholder="0, 1, 2",
        help="Each run once with every one of these seeds. Left empty: the seed above.",
    )  # fmt: skip
    group = right.text_input(
        "Group", key="group", placeholder="named by itself", max_chars=MAX_GROUP,
        help="A name that the runs share: the list of runs can show them alone.",
    )  # fmt: skip
    return parts(seeds), group.strip()


def _axis(
    number: int, spec: OptimizerSpec, taken: Mapping[str, object]
) -> tuple[str | None, list[str]]:
    """A row of the sweep: a setting, and its values."""
    left, right = st.columns([2, 3])
    names = [name for name in axis_names(spec) if name not in taken]
    name = left.selectbox(
        "Setting" if number == 0 else "And", names, index=None, key=f"axis-{number}",
        format_func=setting_title,
        placeholder="Choose what varies",
    )  # fmt: skip
    text = right.text_input(
        "Values", key=f"values-{number}", disabled=name is None,
        placeholder=example(spec, name) if name else "",
        help=hint(spec, name) if name else None,
    )  # fmt: skip
    return name, parts(text)


def axis_names(spec: OptimizerSpec) -> list[str]:
    """The settings that a sweep can vary, those of the optimizer first."""
    own = [item.name for item in spec.hyperparameters]
    rest = [name for name in (*CHOICES, *SECTION_OF) if name not in _NO_AXES]
    return own + rest


def example(spec: OptimizerSpec, name: str) -> str:
    """What a person could type as the values of a setting."""
    item = _own(spec, name)
    if item is not None and item.kind == "bool":
        return "true, false"
    known = item.choices if item is not None else _WORDS.get(name, ())
    if known:
        return ", ".join(known[:3])
    return f"{item.default if item is not None else _default(name)}, ..."


def hint(spec: OptimizerSpec, name: str) -> str:
    """What stands behind the question mark of a setting's values."""
    item = _own(spec, name)
    if item is not None:
        return explanation(item)
    known = f"One or more of {', '.join(_WORDS[name])}. " if name in _WORDS else ""
    return plain(f"{known}As on the command line, {flag(name)}.")


def _own(spec: OptimizerSpec, name: str) -> HyperParameter | None:
    return next((item for item in spec.hyperparameters if item.name == name), None)


def _default(name: str) -> Any:
    section = SECTIONS[SECTION_OF[name]]
    return next(item.default for item in fields(section) if item.name == name)
