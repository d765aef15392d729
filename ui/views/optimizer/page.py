"""The page on which an optimizer is chosen, read about and downloaded."""

import streamlit as st


def render() -> None:
    """Show the page."""
    st.markdown("## Optimizer")
