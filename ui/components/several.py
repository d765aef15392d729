"""The part of the launch form that makes many runs of one: a race, or a sweep."""

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from trainers.catalogue import OPTIMIZERS, OptimizerSpec
from trainers.config import RunConfig
from trainers.flags import given_settings
from trainers.sweep import (
    CHOICES,
    GRID,
    HYPERPARAMETERS,
    LIST,
    SECTION_OF,
    differing,
    setting,
    sweep,
)
from ui.components.formats import plain, words
from ui.components.forms import explanation, label

ONE, RACE, SWEEP = "one", "race", "sweep"
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
LONGEST_GROUP = 80  # characters


@dataclass(frozen=True, kw_only=True)
class Several:
    """What is made of the one run that the form describes.

    Args:
        kind: `ONE`, `RACE` or `SWEEP`.
        typed: The values of each setting that varies, as they were typed.
        mode: Every combination, or side by side; see `trainers.sweep`.
        group: The name that the runs share.
    """

    kind: str = ONE
    typed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mode: str = GRID
    group: str = ""

    def configs(self, base: RunConfig) -> list[RunConfig]:
        """The runs; ValueError says what is wrong with one."""
        if self.kind == ONE:
            return [base]
        if len(self.group) > LONGEST_GROUP:
            raise ValueError(f"group must be at most {LONGEST_GROUP} characters long.")
        if not self.typed:
            raise ValueError("Choose what varies: several seeds, or a setting.")
        return sweep(base.to_dict(), self._axes(), self.mode)

    def group_for(self, base: RunConfig) -> str:
        """The name that the runs share, made up where none was typed."""
        if self.kind == ONE:
            return ""
        made_up = time.strftime(f"{self.kind}-{base.dataset.name}-%m%d-%H%M%S")
        return self.group or made_up

    def _axes(self) -> dict[str, list[Any]]:
        """The typed values as the command line reads them."""
        names = (*CHOICES, *SECTION_OF, *HYPERPARAMETERS)
        axes = given_settings(Namespace(**(dict.fromkeys(names) | dict(self.typed))))
        axes = {name: axes[name] for name in self.typed}  # the order of the form
        if self.mode == LIST:  # what has one value has it in each run
            longest = max(map(len, axes.values()))
            axes |= {k: v * longest for k, v in axes.items() if len(v) == 1}
        return axes


def parts(text: str) -> list[str]:
    """The values of a comma list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def several(spec: OptimizerSpec) -> Several:
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
    return Several()


def _race(spec: OptimizerSpec) -> Several:
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
    return Several(kind=RACE, typed=_given(typed), group=group)


def _sweep(spec: OptimizerSpec) -> Several:
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
    return Several(
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
        "Group", key="group", placeholder="named by itself",
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
        format_func=lambda name: axis_title(spec, name),
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


def axis_title(spec: OptimizerSpec, name: str) -> str:
    """A setting's name for people."""
    for item in spec.hyperparameters:
        if item.name == name:
            return label(item)
    return words(name)
