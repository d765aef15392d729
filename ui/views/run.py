"""The page of one run, live and afterwards; its address is /run?run=ID."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from trainers.runs import Run, RunError, list_runs
from trainers.status import ALIVE, QUEUED
from ui.components import engine, navigation, reading
from ui.components.curvature import curvature_curves
from ui.components.curves import Curve, curves
from ui.components.details import details
from ui.components.engine import told, trouble
from ui.components.formats import plain
from ui.components.header import header
from ui.components.headline import headline
from ui.components.plot import panel
from ui.components.reading import Seen, Summary
from ui.components.results import guarded, results
from ui.components.series import Row
from ui.components.states import DAMAGED

REFRESH = 2.0  # seconds between two looks at a live run


def render() -> None:
    """Show the run of the address, or the newest one."""
    run = _chosen()
    if run is None:
        return
    first = reading.summaries([run])
    ((view,), _) = first
    if view.state == DAMAGED:
        _damaged(view)
        return
    # The parts stand in the same places before and after the end, so that charts are
    # not mounted anew, and keep their zoom, when the run finishes.
    alive = view.state in ALIVE
    look = reading.once_given(first, partial(reading.summaries, [run]))
    st.fragment(_live, run_every=REFRESH if alive else None)(look, alive)
    _evaluated(view)
    details(run, view.config, alive)


def _chosen() -> Run | None:
    name = st.query_params.get(navigation.PARAMETER, "")
    if name:
        run = reading.find(name)
        if run is None:
            _unknown(name)
        else:  # the browser leaves it as it was on a link from one run to another
            st.query_params[navigation.PARAMETER] = name
        return run
    runs = list_runs()
    if runs:
        st.query_params[navigation.PARAMETER] = runs[0].id
        return runs[0]
    navigation.empty_state(
        "No runs yet",
        "A run appears here as soon as you launch one: its learning curves first, then "
        "how far its predictions can be trusted.",
        icon=":material/monitoring:",
    )
    return None


def _unknown(name: str) -> None:
    st.markdown("## Unknown run")
    st.error(
        f"There is no run {plain(repr(name[:128]))} here. It may have been deleted, or "
        "its address mistyped.",
        icon=":material/search_off:",
    )
    if st.button("See all runs", icon=":material/list:"):
        navigation.open_page(navigation.RUNS)


def _damaged(view: Summary) -> None:
    st.markdown(f"## Run {plain(view.run.id)}")
    st.error(
        f"**This run folder is damaged.** {plain(view.problem)}  \n"
        "Other runs are not affected. It can be deleted from the list of runs.",
        icon=":material/broken_image:",
    )
    with told():
        tail = engine.engine().logs(view.run)
        if tail:
            st.markdown("**End of the log**")
            st.code(tail, language=None, wrap_lines=True)


def _live(look: Callable[[], Seen], was_alive: bool) -> None:
    """The moving part: run again by itself as long as the run is alive."""
    (view,), problem = look()
    if was_alive and view.state not in ALIVE:
        st.rerun()  # the whole page: its results are there now
    trouble(problem)
    rows = reading.metrics(view.run)
    with told():
        header(view, rows)
    _headline(view)
    _convergence(view.run, rows, view.state)
    _curvature(view.run, rows)


def _headline(view: Summary) -> None:
    with st.container():
        try:
            content = reading.evaluation(view.run)
        except RunError as error:
            problem = plain(reading.told(view.run, error))
            st.error(problem, icon=":material/broken_image:")
            return
        if content:
            guarded(lambda: headline(content), "The headline")


def _nothing_drawn(state: str) -> str:
    if state == QUEUED:
        return "The curves appear here by themselves once it trains."
    if state in ALIVE:
        return "Waiting for the first logged steps…"
    return "Nothing logged."


def _convergence(run: Run, rows: list[Row], state: str) -> None:
    st.markdown("### Convergence")
    drawn = curves(rows)
    if not drawn:
        st.caption(_nothing_drawn(state))
        return
    _row(run, drawn[:2], 2)
    _row(run, drawn[2:], max(2, len(drawn) - 2))


def _curvature(run: Run, rows: list[Row]) -> None:
    drawn = curvature_curves(rows)
    if drawn:
        st.markdown("### Curvature")
        _row(run, drawn, len(drawn))


def _row(run: Run, drawn: Sequence[Curve], num_columns: int) -> None:
    for place, curve in zip(st.columns(num_columns), drawn, strict=False):
        with place:
            panel(curve.title, curve.figure, key=f"curve-{curve.key}",
                  alt=curve.alt, note=curve.note, revision=run.id)  # fmt: skip


def _evaluated(view: Summary) -> None:
    try:
        content = reading.evaluation(view.run)
    except RunError:
        return  # told beside the headline
    if content and view.config is not None:
        results(view.run, view.config, content)
