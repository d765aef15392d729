"""What a person chose on the page, as it stands in the address.

The address is what counts: a widget gets its value from there with every look, and
writes there what is chosen. What comes from the address is foreign.
"""

from typing import Any

import streamlit as st

LONGEST = 4000  # characters of a value that are looked at
BETWEEN = ","  # several values of one parameter


def key(name: str) -> str:
    """The key of the widget for a parameter."""
    return f"filter-{name}"


def value(name: str) -> str | None:
    """What the address says, None for nothing."""
    return st.query_params.get(name, "")[:LONGEST] or None


def several(name: str) -> list[str] | None:
    """The values of a parameter, each once and in order; None for no parameter."""
    text = value(name)
    if text is None:
        return None
    return list(dict.fromkeys(filter(None, text.split(BETWEEN))))


def give(name: str, given: Any) -> None:
    """Give the widget of a parameter a value."""
    st.session_state[key(name)] = given


def follow(name: str) -> str | None:
    """Give the widget of a parameter the value that the address has, and return it."""
    found = value(name)
    give(name, found)
    return found


def write(name: str) -> None:
    """Give the address the value that stands in the widget of a parameter."""
    chosen = st.session_state[key(name)]
    put(name, BETWEEN.join(chosen) if isinstance(chosen, list) else chosen)


def put(name: str, chosen: str | None) -> None:
    """Give the address a value, or take the parameter from it."""
    if chosen:
        st.query_params[name] = chosen
    else:
        st.query_params.pop(name, None)
