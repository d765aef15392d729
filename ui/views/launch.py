"""The page that starts a run: choose, see the command, launch."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from trainers import jobs
from trainers.catalogue import OPTIMIZERS, OptimizerSpec
from trainers.config import (
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.runs import RunError
from ui.components import choices, navigation
from ui.components.commands import command_block
from ui.components.formats import plain
from ui.components.forms import hyperparameters

Section = Callable[[], Any]


def render() -> None:
    """Show the form, and beside it what it amounts to."""
    st.markdown("## Launch a run")
    st.caption(
        "Train a network, then read how far its predictions can be trusted. The run "
        "goes on when this page, the browser or the server is closed."
    )
    form, side = st.columns([5, 3], gap="large")
    with form:
        sections, problems = _form()
    with side:
        _summary(sections, problems)


def _form() -> tuple[dict[str, Section], list[str]]:
    """Show all fields; return how to build each section, and what is wrong so far."""
    with st.container(border=True):
        st.markdown("### :material/dataset: Data and model")
        left, right = st.columns(2)
        with left:
            data = choices.dataset()
        with right:
            model = choices.model(data["name"])
        if data["kind"] == "folder":
            data["folder"] = choices.folder()
    with st.container(border=True):
        st.markdown("### :material/tune: Optimizer")
        optimizer = choices.optimizer()
        values, problems = hyperparameters(optimizer)
    with st.container(border=True):
        st.markdown("### :material/timer: Training and evaluation")
        training = choices.training(data["name"])
        with st.expander("Advanced settings", icon=":material/settings:"):
            more = choices.advanced(data["name"], optimizer)
    sections = _sections(data, model, optimizer, values, training | more)
    return sections, problems


def _sections(
    data: Mapping[str, Any],
    model: str,
    optimizer: OptimizerSpec,
    values: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Section]:
    def chosen(*names: str) -> dict[str, Any]:
        return {name: settings[name] for name in names}

    return {
        "dataset": lambda: DatasetConfig(
            name=data["name"],
            folder=_absolute(data.get("folder")),
            **chosen("validation_fraction", "split_seed"),
        ),
        "model": lambda: ModelConfig(name=model),
        "optimizer": lambda: OptimizerConfig(
            name=optimizer.name, hyperparameters=values
        ),
        "training": lambda: TrainingConfig(
            **chosen(
                "epochs", "batch_size", "schedule", "seed", "device", "log_interval"
            )
        ),
        "evaluation": lambda: EvaluationConfig(
            **chosen("test_samples", "validation_samples", "ood")
        ),
    }


def _absolute(folder: str | None) -> str | None:
    """The trainer runs elsewhere: a path must not depend on where the server does."""
    if folder is None:
        return None
    if not folder.strip():
        raise ValueError("Name the image folder: one sub-folder of images a class.")
    # Unlike Path's, this one leaves the ~ of an unknown user as it stands.
    path = Path(os.path.expanduser(folder.strip())).absolute()
    if not path.is_dir():
        raise ValueError(f"There is no folder {path} on this machine.")
    return str(path)


def _checked(sections: Mapping[str, Section]) -> tuple[RunConfig | None, list[str]]:
    """Build the configuration by the command line's rules, or say what is wrong."""
    built, problems = {}, []
    for name, build in sections.items():
        try:
            built[name] = build()
        except (ValueError, TypeError) as error:
            problems.append(str(error))
    if problems:
        return None, problems
    try:
        return RunConfig(**built), []
    except ValueError as error:
        return None, [str(error)]


def _summary(sections: Mapping[str, Section], told: list[str]) -> None:
    """Show what will be run, or why it cannot be."""
    config, problems = _checked(sections)
    with st.container(border=True):
        ready = "Ready to go" if config is not None else "Not ready yet"
        st.markdown(f"### :material/rocket_launch: {ready}")
        # A hyper-parameter's problem stands under its own field already.
        for problem in problems:
            if problem not in told:
                st.error(plain(problem), icon=":material/error:")
        if problems and told:
            st.error("Correct the marked hyper-parameters.", icon=":material/error:")
        if st.button(
            "Launch", type="primary", icon=":material/rocket_launch:", key="launch",
            width="stretch", disabled=config is None,
        ) and config is not None:  # fmt: skip
            _launch(config)
        if config is not None:
            st.caption("The same from a terminal, to repeat or to share:")
            st.code(command_block(config), language="bash", wrap_lines=True)
    choices.about(OPTIMIZERS, st.session_state["optimizer"])


def _launch(config: RunConfig) -> None:
    try:
        run = jobs.launch(config)
    except (RunError, OSError) as error:
        st.error(f"Nothing was started: {plain(str(error))}", icon=":material/error:")
        return
    navigation.open_run(run)
