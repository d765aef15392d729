"""The page of the machine, the job engine and the settings."""

import streamlit as st

from ui.components import navigation
from ui.components.guarded import fragment, guarded
from ui.views.system.health import health
from ui.views.system.load import REFRESH, devices, disks, load
from ui.views.system.settings import appearance, settings
from ui.views.system.versions import versions

TABS = ("Machine", "Job engine", "Versions", "Settings")


def render() -> None:
    """Show the tabs, of which only the open one is computed."""
    st.markdown("## System")
    machine, engine, installed, chosen = st.tabs(
        TABS, key=navigation.SYSTEM, bind="query-params"
    )
    if machine.open:
        with machine:
            fragment("The load", load, REFRESH)()
            with guarded("The devices"):
                devices()
            disks()
    if engine.open:
        with engine:
            health()
    if installed.open:
        with installed:
            versions()
    if chosen.open:
        with chosen:
            appearance()
            settings()
