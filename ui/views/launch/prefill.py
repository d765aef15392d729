"""The launch form filled with settings that somebody had before.

The address says whose: `/launch?clone=ID` a run's, `?config=NAME` a saved
configuration's, `?preset=NAME` a preset's. Streamlit takes the value of a widget from
its key in the session, if that was set before the widget is made.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS
from trainers.config import DatasetConfig, ModelConfig, OptimizerConfig, RunConfig
from trainers.hyperparameters import AUTO
from trainers.presets import PRESETS
from trainers.runs import RunError, load_config
from trainers.saved import find_saved
from trainers.timm_catalogue import TIMM_PREFIX
from ui.components import navigation, reading
from ui.components.formats import plain
from ui.views.launch import upload
from ui.views.launch.choices import suggested_epochs
from ui.views.launch.presets import plan_values

CONFIG, PRESET = "config", "preset"  # of the address
# In the session: whose settings the form began with, and what takes them back.
_FILLED = "prefilled"


class _AbsentError(Exception):
    """What the address names is not there, or damaged; says so in Markdown."""


def prefill() -> None:
    """Fill the form once for what the address names, and say so."""
    source = next((key for key in _SOURCES if st.query_params.get(key)), "")
    name = st.query_params.get(source, "") if source else ""
    before, blank = st.session_state.get(_FILLED, (("", ""), {}))
    config, values = _named(source, name)
    if (source, name) != before:
        taking_back = {}
        if config is not None:
            taking_back = blank_values(config) | plan_values(None)
        # Set and not removed: a field in sight would go on showing the old value.
        st.session_state.update(blank | values)
        # Last: at each touch of the session this run may end in favour of another one,
        # which must then fill what is still to be filled.
        st.session_state[_FILLED] = ((source, name), taking_back)
    if config is not None:
        _told(source, name)


def _named(source: str, name: str) -> tuple[RunConfig | None, dict[str, Any]]:
    """What the address names and the values of its fields; nothing if it is absent."""
    if not name:
        return None, {}
    try:
        return _SOURCES[source](name[:128])
    except _AbsentError as problem:
        st.warning(str(problem), icon=":material/search_off:")
        return None, {}


def begin_with(source: str = "", name: str = "") -> None:
    """Have the form begin anew, from a callback of a button.

    Args:
        source: A parameter of the address, "" for the defaults.
        name: Its value.
    """
    for key in _SOURCES:
        st.query_params.pop(key, None)
    (_, _), blank = st.session_state.get(_FILLED, (("", ""), {}))
    st.session_state.update(blank)
    st.session_state.pop(_FILLED, None)
    if source:
        st.query_params[source] = name


def _told(source: str, name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("The form began with the settings of", width="content")
        if source == navigation.CLONE:
            run = reading.find(name)
            assert run is not None
            navigation.link_to_run(run, run.id)
        else:
            title = PRESETS[name].title if source == PRESET else name
            st.caption(f"**{plain(title)}**", width="content")
        st.button(
            "Begin with the defaults", type="tertiary", icon=":material/restart_alt:",
            key="defaults", on_click=begin_with,
        )  # fmt: skip


def _of_run(name: str) -> tuple[RunConfig, dict[str, Any]]:
    run = reading.find(name)
    if run is None:
        raise _AbsentError(
            f"There is no run {plain(repr(name))} to begin with; these are the "
            "defaults."
        )
    try:
        config = load_config(run)
    except RunError as error:
        problem = plain(reading.told(run, error))
        raise _AbsentError(f"Run {plain(run.id)} cannot be cloned: {problem}") from None
    return config, widget_values(config)


def _of_saved(name: str) -> tuple[RunConfig, dict[str, Any]]:
    saved = find_saved(name)
    if saved is None:
        raise _AbsentError(
            f"There is no saved configuration {plain(repr(name))}; these are the "
            "defaults."
        )
    if saved.config is None:
        raise _AbsentError(f"{plain(saved.name)} is damaged: {plain(saved.problem)}")
    return saved.config, widget_values(saved.config)


def _of_preset(name: str) -> tuple[RunConfig, dict[str, Any]]:
    preset = PRESETS.get(name)
    if preset is None:
        raise _AbsentError(
            f"There is no preset {plain(repr(name))}; these are the defaults."
        )
    return preset.config, widget_values(preset.config) | plan_values(preset)


_SOURCES: dict[str, Callable[[str], tuple[RunConfig, dict[str, Any]]]] = {
    navigation.CLONE: _of_run,
    CONFIG: _of_saved,
    PRESET: _of_preset,
}


def blank_values(config: RunConfig) -> dict[str, Any]:
    """What stands in the same fields before anything is filled in."""
    data, kind = config.dataset, _kind(config)
    plainest = RunConfig(
        dataset=DatasetConfig(name=data.name, folder=data.folder),
        model=type(config.model)(name=config.model.name),
        optimizer=OptimizerConfig(name=config.optimizer.name),
    )
    own = upload.blank_values() if data.folder else {}
    return widget_values(plainest) | own | {
        "dataset": next(iter(DATASETS)),
        f"model-{kind}": next(iter(MODELS)),
        "optimizer": next(iter(OPTIMIZERS)),
        f"epochs-{data.name}": suggested_epochs(DATASETS[data.name]),
    }  # fmt: skip


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
        **(upload.field_values(data.folder) if data.folder else {}),
        f"model-{_kind(config)}": config.model.name,
        **_beginning(config.model),
        "optimizer": optimizer.name,
        f"epochs-{data.name}": training.epochs,
        f"ood-{data.name}": evaluation.ood,
        **hyperparameters,
        **sections,
        "validation_fraction": float(data.validation_fraction),
    }


def _beginning(model: ModelConfig) -> dict[str, Any]:
    """What the training of timm's networks begins with; others are not asked."""
    if not model.name.startswith(TIMM_PREFIX):
        return {}
    return {"pretrained": model.pretrained, "weights": model.weights or ""}
