"""A report that was made: its preview, and every format to download."""

import html
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from trainers.runs import Run, RunError, lies_within
from ui.components.formats import age, plain

HEIGHT = 900  # pixels of the preview


@dataclass(frozen=True)
class Format:
    """A file of a report.

    Args:
        name: The file's name.
        title: What people call it.
        mime: Its type.
        icon: Its symbol.
    """

    name: str
    title: str
    mime: str
    icon: str


FORMATS = (
    Format("report.html", "HTML", "text/html", ":material/public:"),
    Format("report.pdf", "PDF", "application/pdf", ":material/picture_as_pdf:"),
    Format("report.json", "JSON", "application/json", ":material/data_object:"),
    Format("MODEL_CARD.md", "Model card", "text/markdown", ":material/badge:"),
    Format("report.zip", "All as zip", "application/zip", ":material/folder_zip:"),
)


def files(runs: Sequence[Run], folder: Path) -> None:
    """Show the report of a folder, if there is one.

    Args:
        runs: What it is of.
        folder: Where it is.
    """
    page = folder / FORMATS[0].name
    if not is_ours(page, folder):
        st.caption("Its preview and its files appear here.")
        return
    made = page.stat().st_mtime
    _stale(runs, made)
    with st.container(horizontal=True, vertical_alignment="center"):
        for each in FORMATS:
            _download(folder, each, runs)
    _tables(folder, runs)
    st.caption(f"Made {age(time.time() - made)}. Folder: {plain(str(folder))}")
    st.iframe(
        framed(content(page, folder).decode(errors="replace")), height=HEIGHT,
        alt="The report as a page",
    )  # fmt: skip


def framed(text: str) -> str:
    """A page that shows another one which cannot reach this dashboard.

    A run folder, and the report in it, may come from somebody else: its scripts draw
    charts in a frame of no origin.

    Args:
        text: The report's HTML.
    """
    return (
        '<!doctype html><html lang="en"><title>Report</title>'
        "<style>html,body{margin:0;height:100%}"
        "iframe{border:0;width:100%;height:100%;background:#fff}</style>"
        '<iframe title="Report" sandbox="allow-scripts allow-popups" '
        f'srcdoc="{html.escape(text)}"></iframe></html>'
    )


def _stale(runs: Sequence[Run], made: float) -> None:
    """Say so if something was measured after the report was made."""
    newer = [
        path.name
        for run in runs
        for path in (run.evaluation, run.predictions, run.shift)
        if path.is_file() and path.stat().st_mtime > made
    ]
    if newer:
        st.warning(
            f"This report is older than {plain(', '.join(dict.fromkeys(newer)))}: make "
            "it again.",
            icon=":material/update:",
        )


def _download(folder: Path, each: Format, runs: Sequence[Run]) -> None:
    file = folder / each.name
    if is_ours(file, folder):
        st.download_button(
            each.title, partial(content, file, folder), _name(runs, each.name),
            each.mime, icon=each.icon, on_click="ignore", key=f"get-{each.name}",
        )  # fmt: skip


def _tables(folder: Path, runs: Sequence[Run]) -> None:
    tables = sorted((folder / "tables").glob("*.csv"))
    tables = [file for file in tables if is_ours(file, folder)]
    if not tables:
        return
    with (
        st.expander(f"{len(tables)} tables as CSV", icon=":material/table:"),
        st.container(horizontal=True),
    ):
        for file in tables:
            st.download_button(
                plain(file.stem.replace("_", " ")), partial(content, file, folder),
                file_name=_name(runs, file.name), mime="text/csv", on_click="ignore",
                key=f"get-{file.name}", icon=":material/download:",
            )  # fmt: skip


def is_ours(file: Path, folder: Path) -> bool:
    """Whether a file of a report is there, and no link leads elsewhere.

    Args:
        file: The file.
        folder: The report's, which lies in a run's folder or among those of several.
    """
    return file.is_file() and lies_within(file, folder.parent)


def content(file: Path, folder: Path) -> bytes:
    """The bytes of a file of a report.

    Called on the click, and checked then: it may have become a link since.

    Raises:
        RunError: If it is no file of a report any more.
    """
    if not is_ours(file, folder):
        raise RunError(f"{file.name} must be a file of this report.")
    return file.read_bytes()


def _name(runs: Sequence[Run], name: str) -> str:
    """A file's name in the folder of a person's downloads."""
    return f"{runs[0].id}-{name}" if len(runs) == 1 else name
