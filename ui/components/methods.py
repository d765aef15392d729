"""The choice of an optimizer among many: first its kind, then the method."""

import streamlit as st

from trainers.catalogue import OPTIMIZERS
from trainers.hyperparameters import OptimizerSpec
from trainers.kinds import KINDS, KindOfMethod, by_kind, kind_of
from ui.components.formats import plain


def choose_method(key: str) -> OptimizerSpec:
    """Let an optimizer be chosen.

    Args:
        key: Under which its name stands in the session; whoever sets it there before
            chooses for the person.
    """
    name = st.session_state.get(key)
    if name not in OPTIMIZERS:
        name = next(iter(OPTIMIZERS))
    kinds, of_kind = by_kind(), f"{key}-kind"
    # The kind follows the method, whoever chose that.
    st.session_state[key], st.session_state[of_kind] = name, OPTIMIZERS[name].family
    st.segmented_control(
        "Kind of method", list(kinds), required=True, key=of_kind,
        format_func=lambda each: KINDS[each].title, label_visibility="collapsed",
        on_change=_take_first, args=(key, of_kind),
    )  # fmt: skip
    names = [spec.name for spec in kinds[OPTIMIZERS[name].family]]
    st.segmented_control(
        "Optimizer", names, required=True, key=key,
        format_func=lambda each: OPTIMIZERS[each].title, label_visibility="collapsed",
    )  # fmt: skip
    st.caption(f"**{plain(kind_of(name).title)}**: {plain(line_of(kind_of(name)))}")
    return OPTIMIZERS[name]


def line_of(kind: KindOfMethod) -> str:
    """What a kind gives and costs, in a line."""
    return f"{kind.gives}. Costs: {kind.costs}."


def _take_first(key: str, of_kind: str) -> None:
    """Another kind was clicked: its first method is the choice."""
    specs = by_kind().get(st.session_state[of_kind] or "")
    if specs:
        st.session_state[key] = specs[0].name
