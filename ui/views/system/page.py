"""The page of the machine, the job engine and the settings."""

import streamlit as st


def render() -> None:
    """Show the page."""
    st.markdown("## System")
