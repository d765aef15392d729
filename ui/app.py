"""The dashboard's entry: `python -m streamlit run ui/app.py` from the repository."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from trainers import jobs
from trainers.runs import RunError
from ui.components import navigation
from ui.components.plot import install_library
from ui.views import launch, run, runs

PAGES = {
    navigation.LAUNCH: st.Page(
        launch.render,
        title="Launch",
        icon=":material/rocket_launch:",
        url_path="launch",
        default=True,
    ),
    navigation.RUNS: st.Page(
        runs.render, title="Runs", icon=":material/list:", url_path="runs"
    ),
    navigation.RUN: st.Page(
        run.render, title="Run", icon=":material/monitoring:", url_path="run"
    ),
}


@st.cache_resource(show_spinner=False)
def _keep_dispatcher() -> None:
    """Look after the dispatcher as long as this server lives; once a process."""
    jobs.keep_dispatcher()


# Pictures of our own: the icon font's would be fetched from a server elsewhere.
HERE = Path(__file__).parent
st.set_page_config(
    page_title="VOGN App", page_icon=str(HERE / "icon.svg"), layout="wide"
)
st.html(HERE / "style.css")
st.logo(str(HERE / "logo.svg"), size="large")
install_library()
with suppress(RunError):  # each page says what is wrong, and the next one tries again
    _keep_dispatcher()
navigation.register(PAGES)
st.navigation(list(PAGES.values()), position="top").run()
