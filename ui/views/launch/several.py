"""The part of the launch form that makes many runs of one: a race, or a sweep."""

from dataclasses import dataclass, field, fields
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS
from trainers.config import OOD_AUTO, OOD_NONE, SCHEDULES
from trainers.flags import flag
from trainers.hyperparameters import HyperParameter, OptimizerSpec
from trainers.jobs.launcher import MAX_GROUP
from trainers.kinds import KINDS, by_kind, in_order
from trainers.sweep import CHOICES, GRID, LIST, SECTION_OF, SECTIONS
from ui.components.formats import plain
from ui.components.forms import explanation, setting_title
from ui.views.launch.plans import (
    ONE,
    RACE,
    SWEEP,
    Plan,
    counting,
    distinct,
    parts,
    row_title,
)
from ui.views.launch.ranges import HOW

_KINDS = {
    ONE: ":material/looks_one: One run",
    RACE: ":material/flag: Race",
    SWEEP: ":material/grid_view: Sweep",
}
_MODES = {GRID: "Every combination", LIST: "Side by side"}
RACERS = ("vogn", "adamw")  # at first; every one more is a training more
_RACE_KIND = "race-kind"
NUM_AXES = 6
# What is no axis: seeds have a field of their own, and a folder is chosen above.
_NO_AXES = {"seed", "folder"}
_RANGES = f"Ranges: {HOW}."
_WORDS = {
    "dataset": [name for name, spec in DATASETS.items() if not spec.ood_only],
    "model": [*MODELS, "timm:NAME"],
    "optimizer": [*OPTIMIZERS],
    "schedule": [*SCHEDULES],
    "pretrained": ["true", "false"],
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
        "Optimizers", in_order(OPTIMIZERS), default=list(RACERS), key="race",
        format_func=lambda name: OPTIMIZERS[name].title,
    )  # fmt: skip
    st.pills(
        "Add all of a kind", list(by_kind()), key=_RACE_KIND, on_change=_add_kind,
        format_func=lambda name: KINDS[name].title,
        help="  \n".join(f"{kind.title}: {kind.gives}." for kind in KINDS.values()),
    )  # fmt: skip
    rows = _Rows()
    group = _seeds_and_group(rows)
    typed = distinct({"optimizer": chosen, **rows.typed}) if chosen else {}
    return Plan(kind=RACE, typed=typed, group=group, problems=rows.problems)


def _add_kind() -> None:
    """Let all optimizers of the kind that was clicked take part."""
    specs = by_kind().get(st.session_state[_RACE_KIND] or "", [])
    names = {*st.session_state["race"], *(spec.name for spec in specs)}
    st.session_state["race"] = in_order(names)
    st.session_state[_RACE_KIND] = None


def _sweep(spec: OptimizerSpec) -> Plan:
    st.caption(
        "The run above with other values of some settings: several seeds for the "
        "spread, a row for each setting that varies. Values stand between commas; "
        "ranges are written `1..5`, `0..1 step 0.25` or `0.001..0.1 log 5`."
    )
    rows = _Rows()
    for number in range(NUM_AXES):
        if not _axis(number, spec, rows):
            break
    group = _seeds_and_group(rows)
    mode = st.radio(
        "Combine", list(_MODES), key="sweep-mode", format_func=_MODES.__getitem__,
        horizontal=True, help="Every combination of all values; or the first values "
        "together, then the second ones, and so on.",
    )  # fmt: skip
    typed = distinct(rows.typed) if mode == GRID else rows.typed
    if typed and not rows.problems:
        st.caption(plain(counting(typed, mode)))
    return Plan(kind=SWEEP, typed=typed, mode=mode, group=group, problems=rows.problems)


@dataclass
class _Rows:
    """What was typed, by setting, and what is wrong with it."""

    names: list[str] = field(default_factory=list)
    typed: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        """Take the values of a setting as they were typed."""
        self.names.append(name)
        try:
            values = parts(text, name)
        except ValueError as error:
            self.problems.append(f"{row_title(name)}: {error}")
            return
        if values:
            self.typed[name] = values


def _seeds_and_group(rows: _Rows) -> str:
    left, right = st.columns(2)
    seeds = left.text_input(
        "Seeds", key="seeds", placeholder="0..4",
        help="Each run once with every one of these seeds, such as 0..4 or 0, 7. Left "
        "empty: the seed above.",
    )  # fmt: skip
    rows.add("seed", seeds)
    group: str = right.text_input(
        "Group", key="group", placeholder="named by itself", max_chars=MAX_GROUP,
        help="A name that the runs share: the list of runs can show them alone.",
    )  # fmt: skip
    return group.strip()


def _axis(number: int, spec: OptimizerSpec, rows: _Rows) -> bool:
    """A row of the sweep: a setting, and its values; whether one was chosen."""
    left, right = st.columns([2, 3])
    names = [name for name in axis_names(spec) if name not in rows.names]
    name = left.selectbox(
        f"Setting {number + 1}", names, index=None, key=f"axis-{number}",
        format_func=setting_title,
        placeholder="Choose what varies",
    )  # fmt: skip
    text = right.text_input(
        "Values", key=f"values-{number}", disabled=name is None,
        placeholder=example(spec, name) if name else "",
        help=hint(spec, name) if name else None,
    )  # fmt: skip
    if name is not None:
        rows.add(name, text)
    return name is not None


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
    if name == "weights":
        return "/home/me/first.safetensors, ..."
    if name == "device":
        return "cpu, cuda"
    return f"{item.default if item is not None else _default(name)}, ..."


def hint(spec: OptimizerSpec, name: str) -> str:
    """What stands behind the question mark of a setting's values."""
    item = _own(spec, name)
    if item is not None:
        ranges = "" if item.kind in ("bool", "choice") else f"  \n{plain(_RANGES)}"
        return explanation(item) + ranges
    known = f"One or more of {', '.join(_WORDS[name])}. " if name in _WORDS else ""
    return plain(f"{known}As on the command line, {flag(name)}.")


def _own(spec: OptimizerSpec, name: str) -> HyperParameter | None:
    return next((item for item in spec.hyperparameters if item.name == name), None)


def _default(name: str) -> Any:
    section = SECTIONS[SECTION_OF[name]]
    return next(item.default for item in fields(section) if item.name == name)
