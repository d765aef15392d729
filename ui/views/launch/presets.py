"""Presets as fields of the launch form, and the list to choose one from."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from trainers.presets import PRESETS, Preset
from trainers.studies import STUDIES
from ui.components.formats import plain
from ui.views.launch.plans import ONE, RACE
from ui.views.launch.study import field_values


def plan_values(preset: Preset | None) -> dict[str, Any]:
    """What stands in the fields of several runs, by key; None for one run."""
    if preset is not None and preset.study:
        return field_values(STUDIES[preset.study], preset.config)
    if preset is None or not (preset.race or preset.seeds):
        return {"kind": ONE}
    seeds = ", ".join(map(str, preset.seeds))
    return {"kind": RACE, "race": list(preset.race), "seeds": seeds}


def preset_cards(chosen: Callable[[str], None]) -> None:
    """List the presets.

    Args:
        chosen: Called with the name of the one that is taken, before the page is made
            again.
    """
    for preset in PRESETS.values():
        with st.container(border=True, gap="xsmall"):
            st.button(
                preset.title, key=f"preset-{preset.name}", on_click=chosen,
                args=(preset.name,), icon=":material/play_circle:", type="tertiary",
            )  # fmt: skip
            st.caption(
                f"{plain(preset.summary)} "
                f"{plain(preset.time).capitalize()} on two cores."
            )
