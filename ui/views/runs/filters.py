"""Which runs the list shows; the choice stands in the address, to keep and to share."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from ui.components.navigation import GROUP, STATE
from ui.components.reading import Summary
from ui.components.states import LOOKS


def filters(views: Sequence[Summary]) -> list[Summary]:
    """Show the filters, and return the runs that pass."""
    numbers = Counter(view.state for view in views)
    groups = sorted({view.group for view in views} - {""}, reverse=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        state = _follow(STATE)
        if state not in LOOKS:
            state = st.session_state[_key(STATE)] = None
        st.pills(
            "State", [name for name in LOOKS if numbers[name] or name == state],
            key=_key(STATE), label_visibility="collapsed", on_change=_write,
            args=(STATE,), format_func=lambda name: _pill(name, numbers[name]),
        )  # fmt: skip
        group = _follow(GROUP)
        if group and group not in groups:
            groups.append(group)  # it may have been deleted: it can be left then
        if groups:
            st.selectbox(
                "Group", groups, index=None, key=_key(GROUP), placeholder="Any group",
                label_visibility="collapsed", on_change=_write, args=(GROUP,),
                width=280,
            )  # fmt: skip
    return [
        view
        for view in views
        if state in (None, view.state) and group in (None, view.group)
    ]


def _key(name: str) -> str:
    return f"filter-{name}"


def _follow(name: str) -> str | None:
    """Give a filter the value that the address has; None for all."""
    value = st.query_params.get(name) or None
    st.session_state[_key(name)] = value
    return value


def _write(name: str) -> None:
    """Give the address the value that a person chose."""
    value = st.session_state[_key(name)]
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def _pill(state: str, number: int) -> str:
    look = LOOKS[state]
    return f"{look.icon} {look.label} {number}"
