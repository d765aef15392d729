"""The fields of a training's options: its schedule, its augmentation, its weights."""

import re
from typing import Any

import streamlit as st

from trainers.config import POLYNOMIAL, SCHEDULES, TrainingConfig
from ui.components.formats import words
from ui.components.forms import in_columns

_DEFAULTS = TrainingConfig()
_NAMES = (
    "schedule", "decay_power", "decay_start", "decay_end", "mixup", "random_erasing",
    "label_smoothing", "couple_momentum", "rescale_weights",
)  # fmt: skip


def options() -> dict[str, Any]:
    """Show the options that go with any optimizer; returns what stands in the fields.

    A few do not suit some data or optimizers, which the summary of the form tells.
    """
    schedule = _schedule()
    # What the other schedules have no use for.
    unused = schedule[1] != POLYNOMIAL
    answers = in_columns(
        [
            lambda: _number("decay_power", "Power of the polynomial: 1 falls in a "
                            "line, larger ones fast at first.", 0.5, unused),
            lambda: _number("decay_start", "Epochs with the full learning rate, before "
                            "it falls.", 0.5, unused),
            lambda: _number("decay_end", "Epoch at which the learning rate would be "
                            "zero; 0 for the last one.", 0.5, unused),
            lambda: _number("mixup", "Alpha of running mixup, which mixes each batch "
                            "with the one before; 0 for none.", 0.1),
            lambda: _number("random_erasing", "Share of images of which a rectangle "
                            "is blanked, from 0 to 1.", 0.1),
            lambda: _number("label_smoothing", "Share of a label that goes to all "
                            "classes alike, from 0 to 1.", 0.05),
            lambda: _switch("couple_momentum", "The momentum falls as the learning "
                            "rate does."),
            lambda: _switch("rescale_weights", "Give every layer's weights a fixed "
                            "norm after each step."),
        ]
    )  # fmt: skip
    return dict([schedule, *answers])


def concerns(problem: str) -> bool:
    """Whether a problem of the form is one of these fields."""
    return any(re.match(rf"{name}\b", problem) for name in _NAMES)


def reset_button() -> None:
    """Offer to begin anew with these fields, which may be out of sight."""
    st.button(
        "Reset schedule and augmentation", key="options-reset",
        icon=":material/restart_alt:", on_click=_reset,
    )  # fmt: skip


def _reset() -> None:
    st.session_state.update({name: getattr(_DEFAULTS, name) for name in _NAMES})


def _schedule() -> tuple[str, str]:
    told = (
        "Learning rate by step: cosine to zero, constant, or a polynomial from one "
        "epoch to another."
    )
    answer = st.selectbox(
        "Schedule", SCHEDULES, key="schedule", help=told, format_func=words
    )
    return "schedule", answer


def _number(
    name: str, told: str, step: float, disabled: bool = False
) -> tuple[str, Any]:
    answer = st.number_input(
        words(name), value=float(getattr(_DEFAULTS, name)), step=step, format="%g",
        key=name, help=told, disabled=disabled,
    )  # fmt: skip
    return name, answer


def _switch(name: str, told: str) -> tuple[str, bool]:
    value = bool(getattr(_DEFAULTS, name))
    return name, st.toggle(words(name), value, key=name, help=told)
