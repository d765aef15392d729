"""The page of the machine, the job engine and the settings."""

import streamlit as st

from ui.components import navigation
from ui.components.guarded import fragment, guarded
from ui.views.system.devices import devices
from ui.views.system.disks import disks
from ui.views.system.health import health
from ui.views.system.load import REFRESH, load
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
            with guarded("The disks"):
                disks()
    if engine.open:
        with engine, guarded("The job engine"):
            health()
    if installed.open:
        with installed, guarded("The versions"):
            versions()
    if chosen.open:
        with chosen:
            with guarded("The theme"):
                appearance()
            with guarded("The settings"):
                settings()
