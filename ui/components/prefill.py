"""The launch form filled with the settings of a run, as `/launch?clone=ID` asks.

Streamlit takes the value of a widget from its key in the session, if that was set
before the widget is made.
"""

from dataclasses import asdict
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import AUTO
from trainers.config import RunConfig
from trainers.runs import Run, RunError, load_config
from ui.components import navigation, reading
from ui.components.formats import plain

# In the session: whose settings the form began with, and the keys of its fields.
_FILLED = "prefilled"


def prefill() -> None:
    """Fill the form once for each run that the address names, and say so."""
    name = st.query_params.get(navigation.CLONE, "")
    before, keys = st.session_state.get(_FILLED, ("", ()))
    if name != before:
        for key in keys:
            st.session_state.pop(key, None)
        st.session_state[_FILLED] = (name, ())
    if not name:
        return
    run = reading.find(name)
    if run is None:
        st.warning(
            f"There is no run {plain(repr(name[:128]))} to begin with; these are the "
            "defaults.", icon=":material/search_off:",
        )  # fmt: skip
        return
    _fill(run, again=name == before)


def _fill(run: Run, again: bool) -> None:
    try:
        values = widget_values(load_config(run))
    except RunError as error:
        problem = plain(reading.told(run, error))
        st.warning(f"Run {plain(run.id)} cannot be cloned: {problem}")
        return
    if not again:
        st.session_state.update(values)
        st.session_state[_FILLED] = (run.id, tuple(values))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("The form began with the settings of", width="content")
        navigation.link_to_run(run, run.id)
        if st.button("Begin with the defaults", type="tertiary", key="defaults"):
            del st.query_params[navigation.CLONE]
            st.rerun()


def widget_values(config: RunConfig) -> dict[str, Any]:
    """What stands in the fields of the launch form for a run, by widget key."""
    data, optimizer = config.dataset, config.optimizer
    training, evaluation = config.training, config.evaluation
    kind = "points" if DATASETS[data.name].kind == "points" else "image"
    hyperparameters = {
        f"{optimizer.name}-{name}": None if value == AUTO else value
        for name, value in optimizer.hyperparameters.items()
    }
    sections = {**asdict(data), **asdict(training), **asdict(evaluation)}
    for name in ("name", "folder", "epochs", "ood"):  # their keys are others
        del sections[name]
    return {
        "dataset": data.name,
        "folder": data.folder or "",
        f"model-{kind}": config.model.name,
        "optimizer": optimizer.name,
        f"epochs-{data.name}": training.epochs,
        f"ood-{data.name}": evaluation.ood,
        **hyperparameters,
        **sections,
        "validation_fraction": float(data.validation_fraction),
    }
