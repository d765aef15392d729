"""From page to page, without the pages importing one another."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import streamlit as st

from trainers.runs import Run
from ui.components.formats import plain

LAUNCH, RUNS, RUN, COMPARE = "launch", "runs", "run", "compare"
OPTIMIZER, REPORT, SYSTEM = "optimizer", "report", "system"
PARAMETER = "run"  # of the address /run?run=ID
CLONE = "clone"  # /launch?clone=ID begins with the settings of a run
GROUP, STATE = "group", "state"  # /runs?group=NAME&state=failed
TAB = "tab"  # /run?run=ID&tab=Calibration
CHOSEN = "runs"  # /compare?runs=ID,ID and /report?runs=ID,ID
BY, SEEDS = "by", "seeds"  # /compare?runs=group:NAME&by=seeds averages over seeds
GROUP_OF = "group:"  # no id of a run has a colon
_PAGES = "pages"


def register(pages: Mapping[str, Any]) -> None:
    """Keep this session's pages by name; `ui/app.py` calls it with every rerun."""
    st.session_state[_PAGES] = dict(pages)


def names() -> list[str]:
    """The names of all pages, which are their addresses."""
    return list(st.session_state[_PAGES])


def open_run(run: Run) -> None:
    """Go to a run's page; the script ends here."""
    st.switch_page(st.session_state[_PAGES][RUN], query_params={PARAMETER: run.id})


def link_to_run(run: Run, text: str) -> None:
    """A link to a run's page."""
    page = st.session_state[_PAGES][RUN]
    icon = ":material/monitoring:"
    st.page_link(page, label=plain(text), icon=icon, query_params={PARAMETER: run.id})


def open_page(name: str, **parameters: str) -> None:
    """Go to another page with the parameters of its address; the script ends here."""
    st.switch_page(st.session_state[_PAGES][name], query_params=parameters)


def open_comparison(*names: str, by_seeds: bool) -> None:
    """Go to the comparison of some runs and groups; the script ends here.

    Args:
        *names: Ids of runs, and groups as `group_token` names them.
        by_seeds: Whether runs that differ in the seed alone are averaged.
    """
    averaged = {BY: SEEDS} if by_seeds else {}
    open_page(COMPARE, **{CHOSEN: ",".join(names)}, **averaged)


def group_token(name: str) -> str:
    """How the address of a comparison names a group; commas part names there."""
    return GROUP_OF + quote(name, safe=" ")


def empty_state(title: str, text: str, *, icon: str) -> None:
    """Say what would be here and where a newcomer goes first."""
    with st.container(
        border=True, horizontal_alignment="center", key="empty_state", gap="small"
    ):
        st.space("small")
        st.markdown(f"### {icon} {title}", text_alignment="center")
        st.markdown(text, text_alignment="center")
        if st.button("Launch a run", type="primary", icon=":material/rocket_launch:"):
            open_page(LAUNCH)
        st.space("small")
