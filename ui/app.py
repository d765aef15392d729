"""The dashboard's entry: `python -m streamlit run ui/app.py` from the repository."""

from pathlib import Path

import streamlit as st

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

# Pictures of our own: the icon font's would be fetched from a server elsewhere.
HERE = Path(__file__).parent
st.set_page_config(
    page_title="VOGN App", page_icon=str(HERE / "icon.svg"), layout="wide"
)
st.logo(str(HERE / "logo.svg"), size="large")
install_library()
navigation.register(PAGES)
st.navigation(list(PAGES.values()), position="top").run()
