"""The head of a run's page: what it is, how far it is, and its buttons."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from data import DATASETS
from trainers import jobs
from trainers.catalogue import model_spec, optimizer_spec
from trainers.config import RunConfig
from trainers.runs import Run, RunError
from trainers.status import ALIVE, FAILED, FINISHED, LOST, STOPPING, SUGGESTIONS, Status
from ui.components.formats import age, count, duration, plain, words
from ui.components.reading import Summary
from ui.components.series import Row, rate, seconds_left
from ui.components.states import LOOKS, RESUMABLE


def title(config: RunConfig) -> str:
    """What a run is, in a line."""
    optimizer = optimizer_spec(config.optimizer.name).title
    return f"{optimizer} on {DATASETS[config.dataset.name].title}"


def subtitle(run: Run, config: RunConfig, status: Status) -> str:
    """Where a run comes from, in a line."""
    parts = [
        model_spec(config.model.name).title,
        f"{config.training.epochs} epochs",
        f"batch {config.training.batch_size}",
        f"seed {config.training.seed}",
        f"launched {age(time.time() - status.created)}",
    ]
    if status.ended is not None:
        taken = duration(status.ended - (status.started or status.created))
        parts.append(f"took {taken} for {count(status.step)} steps")
    parts.append(f"run {run.id}")
    return plain(" · ".join(parts))


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
    look = LOOKS[view.state]
    words_place, buttons_place = st.columns([3, 1], vertical_alignment="center")
    with words_place:
        badge = f":{look.color}-badge[{look.icon} {look.label}]"
        st.markdown(f"## {plain(title(config))} &ensp;:small[{badge}]")
        st.caption(subtitle(view.run, config, status))
    with buttons_place:
        _buttons(view)
    if view.state in ALIVE:
        status = newest(status, rows)
        share = status.step / status.total_steps if status.total_steps > 0 else 0.0
        st.progress(min(1.0, max(0.0, share)), text=progress_text(status, rows))
    else:
        _ending(view, status)


def _buttons(view: Summary) -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if view.state in ALIVE:
            stopping = view.state == STOPPING
            text = "Stopping…" if stopping else "Stop"
            icon = ":material/stop_circle:"
            if st.button(text, icon=icon, key="stop", disabled=stopping):
                _act(lambda: jobs.stop(view.run))
        elif view.state in RESUMABLE and st.button(
            "Resume", type="primary", icon=":material/resume:", key="resume"
        ):
            _act(lambda: jobs.resume(view.run))


def _act(action: Callable[[], None]) -> None:
    try:
        action()
    except (RunError, OSError) as error:
        st.error(plain(str(error)))
        return
    st.rerun()


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
        if status.error_tail:
            st.code(status.error_tail, language=None, wrap_lines=True)
    elif view.state == LOST:
        st.warning(message, icon=LOOKS[view.state].icon)
    else:
        st.info(
            message or f"Stopped after step {count(status.step)}.",
            icon=LOOKS[view.state].icon,
        )
