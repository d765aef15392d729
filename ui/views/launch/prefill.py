"""The launch form filled with the settings of a run, as `/launch?clone=ID` asks.

Streamlit takes the value of a widget from its key in the session, if that was set
before the widget is made.
"""

from dataclasses import asdict
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS
from trainers.config import DatasetConfig, OptimizerConfig, RunConfig
from trainers.hyperparameters import AUTO
from trainers.runs import Run, RunError, load_config
from ui.components import navigation, reading
from ui.components.formats import plain
from ui.views.launch.choices import suggested_epochs

# In the session: whose settings the form began with, and what takes them back.
_FILLED = "prefilled"


def prefill() -> None:
    """Fill the form once for each run that the address names, and say so."""
    name = st.query_params.get(navigation.CLONE, "")
    before, blank = st.session_state.get(_FILLED, ("", {}))
    if name != before:
        # Set and not removed: a field in sight would go on showing the old value.
        st.session_state.update(blank)
        st.session_state[_FILLED] = (name, {})
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
        config = load_config(run)
    except RunError as error:
        problem = plain(reading.told(run, error))
        st.warning(f"Run {plain(run.id)} cannot be cloned: {problem}")
        return
    if not again:
        st.session_state.update(widget_values(config))
        st.session_state[_FILLED] = (run.id, blank_values(config))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("The form began with the settings of", width="content")
        navigation.link_to_run(run, run.id)
        if st.button(
            "Begin with the defaults", type="tertiary", icon=":material/restart_alt:",
            key="defaults",
        ):  # fmt: skip
            del st.query_params[navigation.CLONE]
            st.rerun()


def blank_values(config: RunConfig) -> dict[str, Any]:
    """What stands in the same fields before anything is filled in."""
    data, kind = config.dataset, _kind(config)
    plainest = RunConfig(
        dataset=DatasetConfig(name=data.name, folder=data.folder),
        model=config.model,
        optimizer=OptimizerConfig(name=config.optimizer.name),
    )
    return widget_values(plainest) | {
        "dataset": next(iter(DATASETS)),
        "folder": "",
        f"model-{kind}": next(iter(MODELS)),
        "optimizer": next(iter(OPTIMIZERS)),
        f"epochs-{data.name}": suggested_epochs(DATASETS[data.name]),
    }


def _kind(config: RunConfig) -> str:
    return "points" if DATASETS[config.dataset.name].kind == "points" else "image"


def widget_values(config: RunConfig) -> dict[str, Any]:
    """What stands in the fields of the launch form for a run, by widget key."""
    data, optimizer = config.dataset, config.optimizer
    training, evaluation = config.training, config.evaluation
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
        f"model-{_kind(config)}": config.model.name,
        "optimizer": optimizer.name,
        f"epochs-{data.name}": training.epochs,
        f"ood-{data.name}": evaluation.ood,
        **hyperparameters,
        **sections,
        "validation_fraction": float(data.validation_fraction),
    }
