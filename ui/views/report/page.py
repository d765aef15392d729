"""The page that makes reports of finished runs; its address is /report?runs=ID,ID."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from trainers.continual.record import is_continual
from trainers.runs import Run, list_runs, runs_root
from trainers.status import FINISHED
from ui.components import navigation, reading
from ui.components.formats import plain
from ui.components.guarded import guarded
from ui.components.labels import run_title
from ui.components.reading import Summary
from ui.views.report.files import files
from ui.views.report.making import making

MAX_RUNS = 10
_CHOICE = "report-runs"


def render() -> None:
    """Let a person choose runs, and show, make and export their report."""
    st.markdown("## Report")
    st.caption(
        "How far can the probabilities be trusted? A document one can sign: every "
        "number with its interval, in HTML, PDF, JSON and tables."
    )
    # Which runs there are is asked for, not what they measured.
    found, _ = reading.summaries(list_runs(), patience=0.0)
    views = [view for view in found if is_ready(view)]
    if not views:
        navigation.empty_state(
            "No finished run yet",
            "A report is made of runs that have finished. Digits take a minute.",
            icon=":material/lab_profile:",
        )
        return
    chosen = _chosen(views)
    if not chosen:
        st.info("Choose one run, or several to set them side by side.")
        return
    runs = [view.run for view in chosen]
    folder = folder_of(runs)
    with guarded("The form"):
        making(runs, folder)
    with guarded("The report"):
        files(runs, folder)


def is_ready(view: Summary) -> bool:
    """Whether a report can be made of a run."""
    finished = view.state == FINISHED and view.config is not None
    return finished and not is_continual(view.run)  # judged by task, not as a whole


def folder_of(runs: Sequence[Run]) -> Path:
    """Where the report of some runs is: of one in its folder, of several beside them.

    Args:
        runs: The runs, the first one being what the others are compared with.
    """
    if len(runs) == 1:
        return runs[0].path / "report"
    key = hashlib.sha256("\n".join(run.id for run in runs).encode()).hexdigest()
    return runs_root() / ".reports" / key[:16] / "report"


def _chosen(views: Sequence[Summary]) -> list[Summary]:
    """The runs of the address, which the chooser changes."""
    known = {view.run.id: view for view in views}
    given = st.query_params.get(navigation.CHOSEN, "")
    wanted = list(dict.fromkeys(filter(None, given.split(","))))
    strange = [name for name in wanted if name not in known]
    wanted = [name for name in wanted if name in known]
    if strange:
        told = ", ".join(plain(repr(name[:128])) for name in strange[:3])
        st.warning(f"No finished run is called {told}.", icon=":material/search_off:")
    if len(wanted) > MAX_RUNS:
        st.warning(f"A report takes {MAX_RUNS} runs; these are the first {MAX_RUNS}.")
    st.session_state[_CHOICE] = wanted[:MAX_RUNS]
    st.multiselect(
        "Runs", list(known), key=_CHOICE, max_selections=MAX_RUNS, on_change=_write,
        format_func=lambda name: in_a_line(known[name]),
        placeholder="Choose finished runs",
        help="The first one is what the others are compared with.",
    )  # fmt: skip
    return [known[name] for name in wanted[:MAX_RUNS]]


def in_a_line(view: Summary) -> str:
    """What a run is, its seed, its id."""
    config = view.config
    assert config is not None, "is_ready() lets only those through"
    return f"{run_title(config)}, seed {config.training.seed} · {view.run.id}"


def _write() -> None:
    chosen = st.session_state[_CHOICE]
    if chosen:
        st.query_params[navigation.CHOSEN] = ",".join(chosen)
    else:
        st.query_params.pop(navigation.CHOSEN, None)
