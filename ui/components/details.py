"""The papers of a run: its configuration, its command, its log, its files."""

import json
from functools import partial
from pathlib import Path

import streamlit as st

from trainers.config import RunConfig
from trainers.runs import Run, log_tail
from ui.components.commands import command_block

_MIME = {
    ".json": "application/json",
    ".npz": "application/zip",
    ".safetensors": "application/octet-stream",
}


def details(run: Run, config: RunConfig | None) -> None:
    """Show what is needed to repeat or to examine a run."""
    with st.expander("Configuration, command and log", icon=":material/description:"):
        if config is not None:
            st.markdown("**Command that repeats this run**")
            st.code(command_block(config), language="bash", wrap_lines=True)
        log_place, config_place = st.columns(2)
        with log_place:
            st.markdown("**End of the log**")
            text = log_tail(run.log) or "The log is empty."
            st.code(text, language=None, wrap_lines=True, height=320)
        with config_place:
            st.markdown("**Configuration**")
            if config is not None:
                content = json.dumps(config.to_dict(), indent=1)
                st.code(content, language="json", height=320)
        st.caption(f"Folder: {run.path}")
    _downloads(run)


def _downloads(run: Run) -> None:
    files = (run.evaluation, run.predictions, run.posterior, run.config)
    with st.container(horizontal=True):
        for file in files:
            if file.exists():
                st.download_button(
                    file.name,
                    partial(_content, file),
                    file_name=f"{run.id}-{file.name}",
                    mime=_MIME[file.suffix],
                    icon=":material/download:",
                    on_click="ignore",
                )


def _content(file: Path) -> bytes:
    # Called on the click, so that a page view does not read megabytes for nothing.
    return file.read_bytes()
