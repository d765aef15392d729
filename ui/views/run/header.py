"""The head of a run's page: what it is, how far it is, and its buttons."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from trainers.catalogue import model_spec
from trainers.config import RunConfig
from trainers.continual.record import is_continual
from trainers.status import (
    ALIVE,
    FAILED,
    FINISHED,
    LOST,
    QUEUED,
    RESUMABLE,
    STOPPING,
    SUGGESTIONS,
    Status,
)
from ui.components import access, engine, navigation, waiting
from ui.components.annotating import annotate
from ui.components.deleting import confirm_delete
from ui.components.durations import worked
from ui.components.engine import attempt
from ui.components.formats import age, count, duration, plain, words
from ui.components.labels import data_title, run_title
from ui.components.notify import notify
from ui.components.reading import Summary
from ui.components.series import Row, rate, seconds_left
from ui.components.states import LOOKS, badge

LOG_TAB = "Log"
TAIL_HEIGHT = 220  # pixels


def subtitle(view: Summary, config: RunConfig, status: Status) -> str:
    """Where a run comes from, in a line."""
    parts = [
        model_spec(config.model.name).title,
        f"{config.training.epochs} epochs",
        f"batch {config.training.batch_size}",
        f"seed {config.training.seed}",
        f"launched {age(time.time() - status.created)}",
    ]
    taken = worked(view) if status.ended is not None else None
    if taken is not None:
        parts.append(f"took {duration(taken)} for {count(status.step)} steps")
    parts += [f"group {view.group}"] if view.group else []
    parts.append(f"run {view.run.id}")
    return plain(" · ".join(parts))


def title(view: Summary, config: RunConfig) -> str:
    """What a run is; of tasks one after another VOGN may be one method of several."""
    if is_continual(view.run):
        return f"Continual learning on {data_title(config.dataset.name)}"
    return run_title(config)


def newest(status: Status, rows: Sequence[Row]) -> Status:
    """The status at the step of the newest row, which is written more often."""
    logged = max((row["step"] for row in rows[-1:] if "step" in row), default=0)
    return replace(status, step=max(status.step, logged))


def progress_text(status: Status, rows: Sequence[Row]) -> str:
    """How far a live run is and how long it still takes."""
    if not status.total_steps or not rows:
        return f"{words(status.phase) or LOOKS[status.state].label}…"
    parts = [f"Step {count(status.step)} of {count(status.total_steps)}"]
    if status.phase and status.phase != "training":
        parts = [f"{words(status.phase)}…", *parts]
    pace, left = rate(rows), seconds_left(rows, status.step, status.total_steps)
    if pace is not None:
        parts.append(f"{count(round(pace))} examples/s")
    if status.step < status.total_steps:
        parts.append("warming up" if left is None else f"about {duration(left)} left")
    return " · ".join(parts)


def header(view: Summary, rows: Sequence[Row]) -> None:
    """Show the head of a run whose status and configuration could be read."""
    status, config = view.status, view.config
    if status is None or config is None:
        return
    words_place, buttons_place = st.columns([2, 3], vertical_alignment="bottom")
    with words_place:
        shown = badge(view.state, view.position)
        st.markdown(f"## {plain(title(view, config))} &ensp;:small[{shown}]")
    with buttons_place, st.container(horizontal=True, horizontal_alignment="right"):
        notify([view])
        _buttons(view)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(subtitle(view, config, status), width="stretch")
        with st.container(horizontal=True, gap="small", width="content"):
            annotate([view], quiet=True)
            _button_delete(view)
    _said(view)
    if view.state == QUEUED:
        waiting.before(view)
    elif view.state in ALIVE:
        status = newest(status, rows)
        share = status.step / status.total_steps if status.total_steps > 0 else 0.0
        st.progress(min(1.0, max(0.0, share)), text=progress_text(status, rows))
    else:
        _ending(view, status)


def _said(view: Summary) -> None:
    """Show the tags and the note that people gave the run."""
    said = view.annotations
    tags = " ".join(f":gray-badge[{plain(tag)}]" for tag in said.tags)
    archived = ":gray-badge[:material/archive: Archived]" if said.archived else ""
    if tags or archived:
        st.markdown(f"{archived} {tags}".strip())
    if said.note:
        st.caption(plain(said.note).replace("\n", "  \n"))


def _buttons(view: Summary) -> None:
    fixed = not access.may_edit()
    if view.position is not None and view.position > 1:
        _button_to_front(view, fixed)
    if view.state in ALIVE:
        _button_stop(view, fixed)
    elif view.state in RESUMABLE:
        _button_resume(view, fixed)
    if not is_continual(view.run):  # which is judged by task, and started elsewhere
        _buttons_to_pages(view, fixed)


def _buttons_to_pages(view: Summary, fixed: bool) -> None:
    """Buttons to what can be made of a run."""
    _button_to(
        navigation.COMPARE, "Compare with…", ":material/compare_arrows:",
        "Put this run beside others.", {navigation.CHOSEN: view.run.id},
    )  # fmt: skip
    if view.state == FINISHED:
        _button_to(
            navigation.REPORT, "Report", ":material/lab_profile:",
            "Write what this run is worth into one file, as HTML, PDF, JSON or CSV.",
            {navigation.CHOSEN: view.run.id},
        )  # fmt: skip
    _button_to(
        navigation.LAUNCH, "Clone", ":material/content_copy:",
        "Open the launch form with the settings of this run.",
        {navigation.CLONE: view.run.id}, disabled=fixed,
    )  # fmt: skip


def _button_to(
    page: str,
    text: str,
    icon: str,
    told: str,
    address: Mapping[str, str],
    disabled: bool = False,
) -> None:
    """A button to another page, which begins with this run."""
    key = "clone" if page == navigation.LAUNCH else page
    if st.button(text, icon=icon, key=key, help=told, disabled=disabled):
        navigation.open_page(page, **address)


def _button_resume(view: Summary, fixed: bool) -> None:
    archive = engine.archive()
    if archive is not None and st.button(
        "Resume", type="primary", icon=":material/resume:", key="resume",
        disabled=fixed,
    ):  # fmt: skip
        attempt([lambda: archive.resume(view.run)])


def _button_delete(view: Summary) -> None:
    archive = engine.archive()
    if archive is None or view.state in ALIVE:
        return
    if st.button(
        "Delete", icon=":material/delete:", key="delete", type="tertiary",
        disabled=not access.may_edit(),
    ):  # fmt: skip
        to_runs = partial(navigation.open_page, navigation.RUNS)
        confirm_delete(archive, [view.run], to_runs)


def _button_to_front(view: Summary, fixed: bool) -> None:
    if st.button(
        "To the front", icon=":material/vertical_align_top:", key="to_front",
        disabled=fixed,
    ):  # fmt: skip
        attempt([lambda: waiting.move(view.run, 1)])


def _button_stop(view: Summary, fixed: bool) -> None:
    text = {QUEUED: "Take from the queue", STOPPING: "Stopping…"}.get(view.state)
    if st.button(
        text or "Stop", icon=":material/stop_circle:", key="stop",
        disabled=fixed or view.state == STOPPING,
    ):  # fmt: skip
        attempt([lambda: engine.engine().stop(view.run)])


def _ending(view: Summary, status: Status) -> None:
    """Say how a run ended and, where it went wrong, what to do."""
    if view.state == FINISHED:
        return
    message = plain(status.message)
    if view.state == FAILED:
        kind = status.error_class or "other"
        suggestion = plain(SUGGESTIONS.get(kind, SUGGESTIONS["other"]))
        st.error(
            f"**{words(kind)}.** {message}  \n{suggestion}", icon=LOOKS[view.state].icon
        )
    elif view.state == LOST:
        st.warning(message, icon=LOOKS[view.state].icon)
    else:
        st.info(
            message or f"Stopped after step {count(status.step)}.",
            icon=LOOKS[view.state].icon,
        )
    # The tab of the log shows the same, and more of it.
    if view.state in (FAILED, LOST) and st.query_params.get(navigation.TAB) != LOG_TAB:
        tail = status.error_tail or engine.engine().logs(view.run)
        if tail:
            st.caption("The end of its log:")
            st.code(tail, language=None, wrap_lines=True, height=TAIL_HEIGHT)
