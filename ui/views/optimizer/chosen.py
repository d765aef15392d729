"""What was chosen on the page, which is in its address: optimizer and values.

The address holds what differs from the defaults, `/optimizer?optimizer=vogn&lr=0.5`.
It fills the form when it is new to the page, and the form writes it.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from trainers.catalogue import OPTIMIZERS
from trainers.hyperparameters import AUTO, HyperParameter, OptimizerSpec
from ui.components.formats import plain
from ui.components.forms import hyperparameters
from ui.components.methods import choose_method

OPTIMIZER = "optimizer"  # of the address /optimizer?optimizer=NAME
POSTERIOR = "posterior"  # of the address /optimizer?optimizer=vogn&posterior=RUN
_CHOICE, _FORM = "optimizer-chosen", "optimizer-form"
_SEEN = "optimizer-seen"  # in the session: what the address said last
_NAMES = {item.name for spec in OPTIMIZERS.values() for item in spec.hyperparameters}

Said = tuple[str, dict[str, str]]  # optimizer, and values as the address has them


def choose() -> OptimizerSpec:
    """Let an optimizer be chosen; the one of the address at first."""
    name = st.query_params.get(OPTIMIZER, "")
    before, _ = _seen()
    if name and name not in OPTIMIZERS:
        st.warning(
            f"There is no optimizer {plain(repr(name[:64]))} here.",
            icon=":material/search_off:",
        )
    elif name and name != before:
        st.session_state[_CHOICE] = name
    spec = choose_method(_CHOICE)
    if name != spec.name:
        if name in OPTIMIZERS:  # another was clicked: values and run are not its own
            _write({})
            _forget(POSTERIOR)
        st.query_params[OPTIMIZER] = spec.name
    return spec


def values(spec: OptimizerSpec) -> tuple[dict[str, Any], list[str]]:
    """Show the form, filled from the address.

    Args:
        spec: The optimizer.

    Returns:
        What stands in the fields by name, and what is wrong with it.
    """
    said = _said(spec)
    if _seen() != (spec.name, said):
        _fill(spec, said)
    found, problems = hyperparameters(spec, f"{_FORM}-{spec.name}")
    if not problems:
        try:
            spec.validated(found)
        except ValueError as error:  # values that do not go together
            st.error(plain(str(error)), icon=":material/error:")
            problems = [str(error)]
        else:
            said = differing(spec, found)
            _write(said)
    st.session_state[_SEEN] = (spec.name, said)
    return found, problems


def differing(spec: OptimizerSpec, found: Mapping[str, Any]) -> dict[str, str]:
    """The values that are not the defaults, as the address has them.

    Args:
        spec: The optimizer.
        found: Valid values by name.

    Returns:
        Texts by name.
    """
    checked = spec.validated(found)
    return {
        item.name: _text(checked[item.name])
        for item in spec.hyperparameters
        if checked[item.name] != item.default
    }


def _text(value: float | int | bool | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seen() -> Said:
    seen: Said = st.session_state.get(_SEEN, ("", {}))
    return seen


def _said(spec: OptimizerSpec) -> dict[str, str]:
    names = (item.name for item in spec.hyperparameters)
    return {name: st.query_params[name] for name in names if name in st.query_params}


def _fill(spec: OptimizerSpec, said: Mapping[str, str]) -> None:
    """Put the values of the address into the form; wrong ones are told."""
    for item in spec.hyperparameters:
        value: Any = item.default
        if item.name in said:
            value = _understood(item, said[item.name])
        st.session_state[f"{_FORM}-{spec.name}-{item.name}"] = (
            None if value == AUTO else value
        )


def _understood(item: HyperParameter, text: str) -> Any:
    try:
        return item.validated(text[:64])
    except ValueError as error:
        st.warning(
            f"The address has a value that is left out: {plain(str(error))}",
            icon=":material/link_off:",
        )
        return item.default


def _write(said: Mapping[str, str]) -> None:
    """Let the address hold these values and no others."""
    for name in _NAMES - said.keys():
        _forget(name)
    for name, text in said.items():
        if st.query_params.get(name) != text:
            st.query_params[name] = text


def _forget(name: str) -> None:
    if name in st.query_params:
        del st.query_params[name]
