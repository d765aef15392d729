"""The papers of a run: its configuration, its command, its log, its files."""

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from trainers.config import RunConfig
from trainers.runs import Run, log_tail
from ui.components import engine
from ui.components.commands import command_block
from ui.components.engine import told
from ui.components.formats import plain
from ui.components.notify import WEBHOOK_HINT

_RANK = re.compile(r"rank(\d+)\.log")
_MIME = {
    ".json": "application/json",
    ".npz": "application/zip",
    ".safetensors": "application/octet-stream",
}


REFRESH = 5.0  # seconds between two looks at the log of a live run


def details(run: Run, config: RunConfig | None, alive: bool = False) -> None:
    """Show what is needed to repeat or to examine a run.

    Args:
        run: The run.
        config: Its configuration, if it could be read.
        alive: Whether its log may grow.
    """
    with st.expander("Configuration, command and log", icon=":material/description:"):
        if config is not None:
            st.markdown("**Command that repeats this run**")
            st.code(command_block(config), language="bash", wrap_lines=True)
        log_place, config_place = st.columns(2)
        with log_place:
            st.fragment(_log, run_every=REFRESH if alive else None)(run, ranks(run))
        with config_place:
            st.markdown("**Configuration**")
            if config is not None:
                content = json.dumps(config.to_dict(), indent=1)
                st.code(content, language="json", height=320)
        st.caption(f"Folder: {plain(str(run.path))}")
        st.caption(f":material/notifications: {WEBHOOK_HINT}")
    _downloads(run)


def ranks(run: Run) -> list[int]:
    """The ranks of a run that have a log."""
    found = (_RANK.fullmatch(path.name) for path in run.log.parent.glob("rank*.log"))
    return sorted(int(match[1]) for match in found if match)


def _log(run: Run, ranks: Sequence[int]) -> None:
    rank: int | None = 0
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**End of the log**", width="content")
        if len(ranks) > 1:
            rank = st.selectbox(
                "Rank", ranks, key="rank", format_func=lambda number: f"Rank {number}",
                label_visibility="collapsed", width=130,
            )  # fmt: skip
    with told():
        # A launcher tells what rank 0 printed; the others' words lie in the folder.
        text = log_tail(run.log_of(rank)) if rank else engine.engine().logs(run)
        st.code(text or "The log is empty.", language=None, wrap_lines=True, height=320)


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
