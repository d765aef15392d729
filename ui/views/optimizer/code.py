"""The code to copy, with the values of the form in it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from trainers.hyperparameters import OptimizerSpec
from trainers.parcel.snippets import Snippet, snippets

_TAB = "loop"  # /optimizer?optimizer=vogn&loop=Lightning


def code(spec: OptimizerSpec, values: Mapping[str, Any], problems: list[str]) -> None:
    """Show the section; without valid values there is no code."""
    st.markdown("### Code")
    if problems:
        st.info(
            "The code appears when the values above are in order.",
            icon=":material/edit:",
        )
        return
    found = snippets(spec, values)
    tabs = st.tabs([each.title for each in found], key=_TAB, bind="query-params")
    for tab, snippet in zip(tabs, found, strict=True):
        if tab.open:
            with tab:
                _shown(snippet)


def _shown(snippet: Snippet) -> None:
    needs = f" `pip install {snippet.needs}` goes before." if snippet.needs else ""
    st.caption(f"Yours are {snippet.yours}.{needs}")
    st.code(snippet.code.rstrip("\n"), language="python")
    if snippet.note:
        st.caption(snippet.note)
