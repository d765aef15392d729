"""The page that sets runs side by side."""

import streamlit as st


def render() -> None:
    """Show the page."""
    st.markdown("## Compare")
