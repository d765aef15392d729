"""The page that starts runs: choose, see what it amounts to, launch."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.catalogue import OPTIMIZERS
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
from trainers.runs import RunError
from trainers.sweep import new_group
from ui.components import access, navigation
from ui.components.engine import engine
from ui.components.formats import counted, plain
from ui.components.forms import hyperparameters
from ui.views.launch import choices, models
from ui.views.launch.copying import copies
from ui.views.launch.devices import placing
from ui.views.launch.estimate import estimate
from ui.views.launch.options import concerns, options, reset_button
from ui.views.launch.outlook import is_local, outlook
from ui.views.launch.plans import ONE, RACE, SWEEP, Plan, table
from ui.views.launch.prefill import prefill
from ui.views.launch.recipe import recipe_buttons
from ui.views.launch.saved import bar
from ui.views.launch.several import several
from ui.views.launch.upload import may_name

Section = Callable[[], Any]
_GROUP = "launch-group"  # in the session: runs, and the name that was made up for them
MAX_TOLD = 5  # values of a sweep that will not do
_WHAT_VARIES = {
    RACE: "Choose two optimizers or more, several seeds, or both.",
    SWEEP: "Choose a setting and type its values, or type several seeds.",
}


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


def render() -> None:
    """Show the form, and beside it what it amounts to."""
    st.markdown("## Launch a run")
    st.caption(
        "Train a network, then read how far its predictions can be trusted. The run "
        "goes on when this page, the browser or the server is closed."
    )
    shelf = st.container()
    prefill()
    left, side = st.columns([5, 3], gap="large")
    with left:
        form = _form()
    order, problems = _checked(form)
    with shelf:  # shown above the form, which it needs
        bar(lambda: order.base if order is not None else None)
    with side, st.container(key="summary"):
        _summary(form, order, problems)


def _form() -> Form:
    with st.container(border=True):
        st.markdown("### :material/dataset: Data and model")
        left, right = st.columns(2)
        with left:
            data = choices.dataset()
        with right:
            model = models.model(data["name"])
        if data["kind"] == "folder":
            data["folder"] = choices.folder()
    with st.container(border=True):
        st.markdown("### :material/tune: Optimizer")
        optimizer = choices.optimizer()
        values, problems = hyperparameters(optimizer)
        recipes = st.container()
    with st.container(border=True):
        st.markdown("### :material/timer: Training and evaluation")
        settings = choices.training(data["name"])
        with st.expander("Schedule and augmentation", icon=":material/trending_down:"):
            settings |= options()
        with st.expander("Advanced settings", icon=":material/settings:"):
            settings |= choices.advanced(data["name"], optimizer)
    with st.container(border=True):
        st.markdown("### :material/memory: Device")
        settings |= placing()
    with st.container(border=True):
        st.markdown("### :material/stacks: Several runs at once")
        asked = several(optimizer)
    sections = _sections(data, model, optimizer, values, settings)
    with recipes:
        recipe_buttons(optimizer, sections)
    return Form(sections, problems, asked, settings["priority"] or 0)


def _sections(
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    optimizer: OptimizerSpec,
    values: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Section]:
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


def _checked(form: Form) -> tuple[Order | None, list[str]]:
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


def _summary(form: Form, order: Order | None, problems: Sequence[str]) -> None:
    """Show what will be run, or why it cannot be."""
    with st.container(border=True):
        ready = "Ready to go" if order is not None else "Not ready yet"
        st.markdown(f"### :material/rocket_launch: {ready}")
        # A hyper-parameter's problem stands under its own field already.
        for problem in problems:
            if problem not in form.problems:
                st.error(plain(problem), icon=":material/error:")
        if any(map(concerns, problems)):
            reset_button()
        if problems and form.problems:
            st.error("Correct the marked hyper-parameters.", icon=":material/error:")
        if form.plan.is_open:
            st.info(_WHAT_VARIES[form.plan.kind], icon=":material/stacks:")
        possible = order is not None and _outlook(order)
        if order is not None and possible and is_local():
            estimate(order.configs)
        allowed = possible and access.may_edit()
        if st.button(
            _button(order), type="primary", icon=":material/rocket_launch:",
            key="launch", width="stretch", disabled=not allowed,
        ) and order is not None:  # fmt: skip
            _submit(order)
        if order is not None:
            _told(order)
    choices.about(OPTIMIZERS, st.session_state["optimizer"])


def _outlook(order: Order) -> bool:
    """Say where it would run and what is before it; whether it can be queued at all."""
    try:
        seen = outlook(order.configs, order.priority)
    except (RunError, ValueError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return False
    if seen is not None:
        st.markdown(
            f":material/memory: {plain(seen.where)}  \n"
            f":material/hourglass_empty: {plain(seen.when)}"
        )
    return True


def _button(order: Order | None) -> str:
    if order is None or len(order.configs) == 1:
        return "Launch"
    return f"Queue {counted(len(order.configs), 'run')}"


def _told(order: Order) -> None:
    """List the runs, and give the ways to do the same without this page."""
    number = len(order.configs)
    if number > 1:
        st.markdown(f"**{counted(number, 'run')}, in this order**")
        st.dataframe(
            table(order.configs), height=min(330, 38 + 35 * number),
            alt="The runs and what tells them apart",
        )  # fmt: skip
    copies(order.base, order.configs, order.plan, order.priority)


def _submit(order: Order) -> None:
    group = order.plan.name
    try:
        access.require_editor()
        runs = engine().submit(order.configs, group=group, priority=order.priority)
    except (RunError, OSError, ValueError) as error:
        st.error(f"Nothing was queued: {plain(str(error))}", icon=":material/error:")
        return
    st.session_state.pop(_GROUP, None)  # what comes next is another group
    if group:
        navigation.open_page(navigation.RUNS, **{navigation.GROUP: group})
    navigation.open_run(runs[0])
