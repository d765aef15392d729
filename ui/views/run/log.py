"""The tab of what the run printed: its end, live, with a search and the whole file."""

import os
import re
from functools import partial
from pathlib import Path

import streamlit as st

from trainers.jobs.failures import read_report
from trainers.runs import Run, RunError
from trainers.status import ALIVE, FAILED
from ui.components import engine
from ui.components.engine import trouble
from ui.components.formats import count, counted, plain
from ui.components.guarded import fragment
from ui.components.latest import Stamp, stamp_of
from ui.components.reading import Summary
from ui.views.run.files import MOST_IN_MEMORY, content, is_inside, size_text

REFRESH = 3.0  # seconds between two looks at the log of a live run
# Keys of the choices, which are names in the address too.
WHOSE, NUM_LINES, FIND, WRAP = "log_of", "log_lines", "log_find", "log_wrap"
_LINES = (100, 500, 2000)  # of the end that can be shown
READ = 4 * 2**20  # bytes of the end that are read and searched
_FEW, _HEIGHT = 24, 560  # lines beyond which the log gets that many pixels
FIRST = "Rank 0"
_RANK = re.compile(r"rank(\d+)\.log")
# What colours a terminal, and moves its cursor.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def render(view: Summary) -> None:
    """Show it."""
    alive = view.state in ALIVE
    fragment("The log", _log, REFRESH if alive else None)(view)


def logs(run: Run) -> dict[str, Path]:
    """The logs of a run by what they are called here: ranks first, in their order."""
    names = sorted(path.name for path in run.log.parent.glob("*.log"))
    ranks = {int(match[1]) for name in names if (match := _RANK.fullmatch(name))}
    others = [name for name in names if not _RANK.fullmatch(name)]
    found = {f"Rank {rank}": run.log_of(rank) for rank in sorted(ranks | {0})}
    return found | {
        name.removesuffix(".log").capitalize(): run.log.with_name(name)
        for name in others
        if _size(run.log.with_name(name))
    }


def _size(path: Path) -> int:
    """Bytes of a file, 0 for one that has vanished or a link to nowhere."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _first(view: Summary, found: dict[str, Path]) -> str:
    """The log to begin with: of the rank that failed first, else of rank 0."""
    report = read_report(view.run) if view.state == FAILED else None
    guilty = f"Rank {report.rank}" if report else FIRST
    return guilty if guilty in found else FIRST


def lines_of(text: str) -> list[str]:
    """The lines of a log as a terminal shows them at last.

    A progress bar rewrites its line with carriage returns: its last state is kept.
    """
    lines = _ESCAPES.sub("", text).rstrip("\n").split("\n")
    return [line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines] if text else []


def matching(lines: list[str], wanted: str) -> list[str]:
    """The lines that hold a text, whatever the case of its letters."""
    wanted = wanted.strip().casefold()
    return [line for line in lines if wanted in line.casefold()] if wanted else lines


def _log(view: Summary) -> None:
    run, found = view.run, logs(view.run)
    chosen, number, wanted, wrap = _choices(run, found, _first(view, found))
    lines, size = _end(run, found[chosen], chosen)
    kept = matching(lines, wanted)
    if lines:
        st.caption(_told(lines, kept, number, size, wanted))
    shown = "\n".join(kept[-number:])
    # The newest line is the last one, to which such a container scrolls by itself.
    long = len(kept) > _FEW
    with st.container(
        height=_HEIGHT if long else "content", border=False, autoscroll=long
    ):
        st.code(shown or _nothing(view, bool(wanted)), language=None, wrap_lines=wrap)


def _choices(
    run: Run, found: dict[str, Path], first: str
) -> tuple[str, int, str, bool]:
    """Show which log, how much of it and what of it; return what was chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen: str | None = first
        if len(found) > 1:
            chosen = st.selectbox(
                "Log of", list(found), list(found).index(first), key=WHOSE,
                bind="query-params", width=150,
            )  # fmt: skip
        number = st.selectbox(
            "Lines", _LINES, key=NUM_LINES, bind="query-params", width=110,
            format_func=count, help="Of the end, the newest last.",
        )  # fmt: skip
        wanted = st.text_input(
            "Find", key=FIND, bind="query-params", width=280,
            placeholder="Show only lines with…", icon=":material/search:",
        )  # fmt: skip
        wrap = st.toggle("Wrap lines", value=True, key=WRAP, bind="query-params")
        known = chosen if chosen in found else first
        st.space("stretch")
        _download(run, found[known])
    return known, number if number in _LINES else _LINES[0], wanted or "", bool(wrap)


def _end(run: Run, log: Path, name: str) -> tuple[list[str], int]:
    """The lines at the end of a log, and the size of all of it.

    What rank 0 printed is told by the engine where there is no file of it here.

    Raises:
        RunError: If the log is out of reach, or a link to another folder.
    """
    if not log.exists():
        text = _far(run) if name == FIRST else ""
        return lines_of(text), len(text.encode())
    if not is_inside(run, log):
        raise RunError(f"{log.name} is a link out of the folder of the run.")
    try:
        return _lines(str(log), stamp_of(log)), log.stat().st_size
    except OSError as error:
        raise RunError(f"{log.name} cannot be read: {error}") from None


def _far(run: Run) -> str:
    try:
        return engine.engine().logs(run)
    except RunError as error:
        trouble(str(error))
        return ""


@st.cache_resource(max_entries=8, show_spinner=False)
def _lines(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
) -> list[str]:
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        start = max(0, file.tell() - READ)
        file.seek(start)
        text = file.read(READ).decode(errors="replace")
    return lines_of(text.partition("\n")[2] if start else text)  # no half a line


def _told(
    lines: list[str], kept: list[str], number: int, size: int, wanted: str
) -> str:
    """How much there is and how much of it is shown."""
    read = "" if size <= READ else f" of the last {size_text(READ)}"
    whole = f"{counted(len(lines), 'line')}{read}, {size_text(size)} in all"
    shown = min(number, len(kept))
    if wanted.strip():
        found = f"{count(len(kept))} with {plain(repr(wanted.strip()))}"
        return f"{whole}; {found}, the last {count(shown)} are shown."
    return f"{whole}; the last {count(shown)} are shown."


def _nothing(view: Summary, searched: bool) -> str:
    if searched:
        return "No line has it."
    if view.state in ALIVE:
        return "Nothing printed so far."
    return "Nothing printed, or it went to the terminal that started the run."


def _download(run: Run, log: Path) -> None:
    if not is_inside(run, log) or not 0 < _size(log) <= MOST_IN_MEMORY:
        return
    st.download_button(
        "Whole log", partial(content, run, log), file_name=f"{run.id}-{log.name}",
        mime="text/plain", icon=":material/download:", on_click="ignore",
        key="log_download",
    )  # fmt: skip
