"""The page that sets runs side by side; its address says all of what it shows."""

from collections.abc import Sequence
from importlib import import_module

import streamlit as st

from trainers.runs import Run, list_runs
from trainers.status import ALIVE
from ui.components import navigation, reading
from ui.components.engine import trouble
from ui.components.formats import counted, plain
from ui.components.guarded import fragment, guarded
from ui.components.navigation import CHOSEN
from ui.components.reading import Summary
from ui.views.compare.address import asked
from ui.views.compare.chooser import add, baseline, chooser, empty, merged, told
from ui.views.compare.comparison import Comparison
from ui.views.compare.groups import Entry, datasets, entries
from ui.views.compare.key import show_key

REFRESH = 3.0  # seconds between two looks while a run is alive
TAB = "compare"  # of the address, /compare?runs=ID,ID&compare=Curves
AGAINST = "Against a setting"
# Each tab is a module of this folder with a `render(comparison)`.
TABS = {
    "Numbers": "numbers",
    AGAINST: "against",
    "Curves": "curves",
    "Reliability": "reliability",
    "Risk and coverage": "selective",
    "OOD": "ood",
    "Shift": "shift",
    "Settings": "settings",
}


def render() -> None:
    """Show the comparison of the address, or what could be compared."""
    st.markdown("## Compare")
    views, problem = reading.summaries(list_runs(), patience=0.0)
    trouble(problem)
    if not views:
        empty(views)
        return
    chosen = asked(st.query_params.get(CHOSEN, ""), views)
    chooser(views, chosen)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        add(views, chosen)
        if chosen.views:
            found, left_out = entries(chosen.views, merged(chosen.views))
            place = baseline(found)
            _links(found)
    if not chosen.views:
        told(chosen, 0)
        empty(views)
        return
    # The tab against a setting shows all runs, with a key of its own.
    by_entry = st.session_state.get(TAB, st.query_params.get(TAB)) != AGAINST
    told(chosen, left_out if by_entry else 0)
    _notes(found)
    comparison = Comparison(found, place, chosen.views)
    if by_entry:
        show_key(found, comparison.baseline)
    _watch(chosen.views)
    _tabs(comparison)


def _tabs(comparison: Comparison) -> None:
    """Show the tabs, of which only the open one is computed."""
    tabs = st.tabs(list(TABS), key=TAB, bind="query-params")
    for tab, (title, module) in zip(tabs, TABS.items(), strict=True):
        if tab.open:
            with tab, guarded(f"The tab {title}"):
                import_module(f"ui.views.compare.{module}").render(comparison)


def _links(found: Sequence[Entry]) -> None:
    with st.popover("Open a run", icon=":material/open_in_new:"):
        for entry in found:
            for view in entry.views:
                config = view.config
                seed = f", seed {config.training.seed}" if config else ""
                several = seed if entry.is_family else ""
                navigation.link_to_run(view.run, f"{entry.name}{several}")


def _notes(found: Sequence[Entry]) -> None:
    """Say what stands in the way of a fair comparison."""
    for entry in found:
        for view in entry.views:
            if view.config is None:
                st.error(
                    f"Run {plain(view.run.id)} is damaged: {plain(view.problem)}",
                    icon=":material/broken_image:",
                )
    left_out = sum(entry.left_out for entry in found)
    if left_out:
        st.caption(
            f":material/info: {counted(left_out, 'run')} left out that repeat a seed "
            "of the same settings (the newest is kept), or are too many."
        )
    sets = datasets(found)
    if len(sets) > 1:
        st.info(
            f"These were trained on different data ({plain(', '.join(sets))}): "
            "their numbers stand side by side, differences between them mean nothing.",
            icon=":material/info:",
        )


def _watch(views: Sequence[Summary]) -> None:
    """Show the page anew when a run ends: its results are there then."""
    alive = [view for view in views if view.state in ALIVE]
    if alive:
        fragment("The news of the runs", _look, REFRESH)([view.run for view in alive])


def _look(runs: Sequence[Run]) -> None:
    views, _ = reading.summaries(runs)
    if any(view.state not in ALIVE for view in views):
        st.rerun()
