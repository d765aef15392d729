"""What the launch form amounts to, to copy: a command, and a configuration."""

import json
from collections.abc import Sequence

import streamlit as st

from trainers.config import RunConfig
from ui.components.commands import block
from ui.components.formats import counted
from ui.views.launch.plans import ONE, Plan

_TALL = 330  # pixels, beyond which text scrolls
_LONG = 12  # lines that are about as tall


def copies(
    base: RunConfig, configs: Sequence[RunConfig], plan: Plan, priority: int
) -> None:
    """Show how to do the same from a terminal, and the configuration as a file.

    Args:
        base: The run that the form describes.
        configs: The runs.
        plan: What makes them of it.
        priority: Of the runs.
    """
    single = plan.kind == ONE
    command, configuration = st.tabs(["Command", "Configuration"])
    with command:
        words = plan.command(base, priority)
        if words:
            st.caption("The same from a terminal, to repeat or to share:")
            text = block(words)
        else:
            st.caption(
                f"No single command gives one of several its own values: these "
                f"{counted(len(configs), 'command')} do the same."
            )
            text = "\n".join(plan.commands(configs, priority))
        _code(text, "bash")
    with configuration:
        st.caption(
            "For `python -m trainers run --config config.json`, and for Saved above."
            if single
            else "The run that all others are made of; for `--config config.json`."
        )
        content = json.dumps(base.to_dict(), indent=1)
        st.download_button(
            "Download config.json", content, "config.json", "application/json",
            key="config-download", icon=":material/download:", on_click="ignore",
            width="stretch",
        )  # fmt: skip
        _code(content, "json")


def _code(text: str, language: str) -> None:
    tall = text.count("\n") > _LONG
    st.code(
        text, language=language, wrap_lines=True, height=_TALL if tall else "content"
    )
