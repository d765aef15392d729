"""The page that starts runs: choose, see what it amounts to, launch."""

from collections.abc import Sequence

import streamlit as st

from trainers.runs import RunError
from ui.components import access, navigation
from ui.components.engine import engine
from ui.components.formats import counted, plain
from ui.components.forms import hyperparameters
from ui.views.launch import choices, models
from ui.views.launch.copying import copies
from ui.views.launch.devices import placing
from ui.views.launch.estimate import estimate
from ui.views.launch.options import concerns, options, reset_button
from ui.views.launch.order import Form, Order, checked, forget_group, sections
from ui.views.launch.outlook import is_local, outlook
from ui.views.launch.plans import RACE, SWEEP, table
from ui.views.launch.prefill import prefill
from ui.views.launch.recipe import recipe_buttons
from ui.views.launch.saved import bar
from ui.views.launch.several import several
from ui.views.launch.short import too_short
from ui.views.launch.study import study_buttons
from ui.views.launch.upload import own_images

_WHAT_VARIES = {
    RACE: "Choose two optimizers or more, several seeds, or both.",
    SWEEP: "Choose a setting and type its values, or type several seeds.",
}


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
    order, problems = checked(form)
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
            data["folder"] = own_images()
    with st.container(border=True):
        st.markdown("### :material/tune: Optimizer")
        optimizer = choices.optimizer()
        values, problems = hyperparameters(optimizer)
        recipes = st.container()
    with st.container(border=True):
        st.markdown("### :material/timer: Training and evaluation")
        settings = choices.training(data["name"])
        with st.expander("Schedule and augmentation", icon=":material/trending_down:"):
            if optimizer.own_schedule:
                st.caption(
                    f"{plain(optimizer.title)} makes its learning rate by itself: the "
                    "schedule is not used."
                )
            settings |= options()
        with st.expander("Advanced settings", icon=":material/settings:"):
            settings |= choices.advanced(data["name"], optimizer)
    with st.container(border=True):
        st.markdown("### :material/memory: Device")
        settings |= placing()
    with st.container(border=True):
        st.markdown("### :material/stacks: Several runs at once")
        studies = st.container()
        asked = several(optimizer)
    parts = sections(data, model, optimizer, values, settings)
    with recipes:
        recipe_buttons(optimizer, parts)
    with studies:
        study_buttons(optimizer, parts)
    return Form(parts, problems, asked, settings["priority"] or 0)


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
        if order is not None and (short := too_short(order.configs)):
            st.warning(short, icon=":material/timelapse:")
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
    choices.about(st.session_state["optimizer"])


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
    forget_group()  # what comes next is another one
    if group:
        navigation.open_page(navigation.RUNS, **{navigation.GROUP: group})
    navigation.open_run(runs[0])
