"""What the launch form amounts to: the runs that would be queued, or what is wrong.

Checked by the rules of the command line, whatever the fields have let through.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.config import (
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.hyperparameters import OptimizerSpec
from trainers.jobs.launcher import checked_priority
from trainers.sweep import new_group
from ui.views.launch import models
from ui.views.launch.plans import ONE, Plan
from ui.views.launch.upload import may_name

Section = Callable[[], Any]
MAX_TOLD = 5  # values of a sweep that will not do
_GROUP = "launch-group"  # in the session: runs, and the name that was made up for them


@dataclass(frozen=True)
class Form:
    """What stands in the form.

    Args:
        sections: How to build each section of the configuration.
        problems: What is wrong with hyper-parameters; told under their fields.
        plan: How many runs, and in what they differ.
        priority: Their priority in the queue.
    """

    sections: Mapping[str, Section]
    problems: Sequence[str]
    plan: Plan
    priority: int


@dataclass(frozen=True)
class Order:
    """What would be queued: the run that the form describes, and what comes of it."""

    base: RunConfig
    configs: Sequence[RunConfig]
    plan: Plan
    priority: int


def sections(
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    optimizer: OptimizerSpec,
    values: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Section]:
    """How to build each section of the configuration from what stands in the form.

    Args:
        data: The dataset's name, and the folder of images of the user's own.
        model: Fields of the model.
        optimizer: The optimizer.
        values: Its hyper-parameters.
        settings: All other fields, by name.
    """

    def chosen(section: Any, *others: str) -> dict[str, Any]:
        names = {item.name for item in fields(section)} - {"name", *others}
        return {name: settings[name] for name in names}

    return {
        "dataset": lambda: DatasetConfig(
            name=data["name"],
            folder=_absolute(data.get("folder")),
            **chosen(DatasetConfig, "folder"),
        ),
        "model": lambda: ModelConfig(**{
            **model,
            "weights": models.whole_weights(model.get("weights")),
        }),
        "optimizer": lambda: OptimizerConfig(
            name=optimizer.name, hyperparameters=values
        ),
        "training": lambda: TrainingConfig(**chosen(TrainingConfig)),
        "evaluation": lambda: EvaluationConfig(**chosen(EvaluationConfig)),
    }


def _absolute(folder: str | None) -> str | None:
    """The trainer runs elsewhere: a path must not depend on where the server does."""
    if folder is None:
        return None
    if not folder.strip():
        raise ValueError("Choose images of yours: upload them, or name their folder.")
    # Unlike Path's, this one leaves the ~ of an unknown user as it stands.
    path = Path(os.path.expanduser(folder.strip())).absolute()
    if not may_name(path):
        raise ValueError("Only editors may name folders of this machine.")
    if not path.is_dir() and not (path.is_file() and path.suffix.lower() == ".npz"):
        raise ValueError(f"There is no folder or .npz file {path} on this machine.")
    return str(path)


def checked(form: Form) -> tuple[Order | None, list[str]]:
    """Build what is asked for by the command line's rules, or say what is wrong."""
    built, problems = {}, []
    for name, build in form.sections.items():
        try:
            built[name] = build()
        except (ValueError, TypeError) as error:
            problems.append(str(error))
    if problems:
        return None, problems
    if form.plan.is_open or form.plan.problems:
        return None, list(form.plan.problems)
    try:
        base = RunConfig(**built)
        priority = checked_priority(form.priority)
    except ValueError as error:
        return None, [str(error)]
    try:
        configs = form.plan.configs(base)
    except ValueError as error:
        return None, form.plan.faults(base)[:MAX_TOLD] or [str(error)]
    return Order(base, configs, _named(form.plan, configs), priority), []


def _named(plan: Plan, configs: Sequence[RunConfig]) -> Plan:
    """A plan whose group has a name, made up where nobody typed one.

    It stays while the runs are the same, so that what is queued here and what the
    commands queue is one group, and that of other runs another.
    """
    if plan.kind == ONE or plan.group:
        return plan
    known, name = st.session_state.get(_GROUP, ([], ""))
    if known != configs:
        name = new_group()
        st.session_state[_GROUP] = configs, name
    return replace(plan, made_up=name)


def forget_group() -> None:
    """Let the next runs have a name of their own, even if they are the same."""
    st.session_state.pop(_GROUP, None)
