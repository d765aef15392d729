"""The page of one run, live and afterwards; its address is /run?run=ID&tab=NAME."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import streamlit as st

from trainers.continual.record import is_continual
from trainers.runs import Run, RunError, list_runs
from trainers.status import ALIVE
from ui.components import engine, navigation, reading
from ui.components.engine import told, trouble
from ui.components.formats import plain
from ui.components.guarded import fragment, guarded
from ui.components.reading import Seen, Summary
from ui.components.states import DAMAGED
from ui.views.run.header import header
from ui.views.run.headline import headline

REFRESH = 2.0  # seconds between two looks at a live run
# Each tab is a module of this folder with a `render(view)`, by the name of the tab.
TABS = {
    "Convergence": "convergence",
    "Calibration": "calibration",
    "OOD": "ood",
    "Uncertainty maps": "uncertainty",
    "Selective prediction": "selective",
    "Shift": "shift",
    "Posterior": "posterior",
    "Log": "log",
    "Configuration": "configuration",
    "Downloads": "downloads",
}

_OF_ANY_RUN = ("Convergence", "Log", "Configuration", "Downloads")
# Those of a run that learns tasks one after another: it is judged in another way.
TASK_TABS = {
    "Continual": "continual",
    **{title: TABS[title] for title in _OF_ANY_RUN},
}


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
    fragment("The head of the run", _live, REFRESH if alive else None)(look, alive)
    _tabs(view)


def _tabs(view: Summary) -> None:
    """Show the tabs, of which only the open one is computed."""
    titles = TASK_TABS if is_continual(view.run) else TABS
    tabs = st.tabs(list(titles), key=navigation.TAB, bind="query-params")
    for tab, (title, module) in zip(tabs, titles.items(), strict=True):
        if tab.open:
            with tab, guarded(f"The tab {title}"):
                import_module(f"ui.views.run.{module}").render(view)


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
    """The moving head: run again by itself as long as the run is alive."""
    (view,), problem = look()
    if was_alive and view.state not in ALIVE:
        st.rerun()  # the whole page: its results are there now
    trouble(problem)
    with told():
        header(view, reading.metrics(view.run))
    _headline(view)


def _headline(view: Summary) -> None:
    with st.container():
        try:
            content = reading.evaluation(view.run)
        except RunError as error:
            problem = plain(reading.told(view.run, error))
            st.error(problem, icon=":material/broken_image:")
            return
        if content:
            with guarded("The headline"):
                headline(content)
