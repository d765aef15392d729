"""The page that makes reports of finished runs."""

import streamlit as st


def render() -> None:
    """Show the page."""
    st.markdown("## Report")
