"""Whether the job engine is well: dispatcher, queue, and the doctor's check-up."""

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from trainers.doctor import FAIL, OK, WARN, Finding
from trainers.doctor.findings import run_checks
from trainers.jobs.home import Home
from trainers.jobs.start import REPOSITORY, ensure_dispatcher
from trainers.runs import RunError, log_tail
from ui.components import access, engine
from ui.components.engine import attempt, told
from ui.components.formats import plain, words

TIMEOUT = 180.0  # seconds; a cold disk takes its time over torch
_ICONS = {
    OK: ":green[:material/check_circle:]",
    WARN: ":orange[:material/warning:]",
    FAIL: ":red[:material/error:]",
}
_CHECKED = "system_checkup"


def health() -> None:
    """Show how the dispatcher and its queue are, and offer the whole check-up."""
    from trainers.doctor import engine as checks  # brings in the job store

    st.markdown("### Dispatcher")
    with st.spinner("Looking…", show_time=False):
        found = list(run_checks([checks.store, checks.dispatcher, checks.leases]))
    findings(found)
    _buttons()
    with st.expander("Its log", icon=":material/description:"):
        tail = log_tail(Home.here().dispatcher_log)
        st.code(tail or "The log is empty.", language=None, wrap_lines=True)
    st.markdown("### Check-up")
    st.caption(
        "Looks at everything that runs need: packages, torch and its GPUs, compiler, "
        "memory, disks, datasets, processes and locks. It takes some seconds and "
        "changes nothing; `python -m trainers doctor` does the same."
    )
    _checkup()


def findings(found: Sequence[Finding]) -> None:
    """Show findings, each with its advice where there is something to do."""
    for each in found:
        name = plain(words(each.name))
        text = f"{_ICONS.get(each.level, '')} **{name}** {plain(each.text)}"
        if each.advice and each.level != OK:
            text += f"  \n:material/arrow_forward: {plain(each.advice)}"
        st.markdown(text)


def _buttons() -> None:
    locked = not access.may_edit()
    with st.container(horizontal=True), told():
        if st.button(
            "Start the dispatcher", icon=":material/play_arrow:", disabled=locked,
            key="start_dispatcher", help="Does nothing where one runs.",
        ):  # fmt: skip
            attempt([partial(ensure_dispatcher, Home.here())])
        queue = engine.queue()
        if queue is None:
            return
        paused = queue.paused
        if st.button(
            "Go on with the queue" if paused else "Pause the queue",
            icon=":material/play_circle:" if paused else ":material/pause_circle:",
            key="pause_queue", disabled=locked,
            help="While it is paused nothing new starts; what runs goes on.",
        ):  # fmt: skip
            attempt([queue.unpause if paused else queue.pause])


def _checkup() -> None:
    if st.button("Check everything", icon=":material/health_and_safety:",
                 key="checkup", disabled=not access.may_edit()):  # fmt: skip
        try:
            access.require_editor()
            with st.spinner("Checking…"):
                st.session_state[_CHECKED] = checked_by_doctor()
        except RunError as error:
            st.error(plain(str(error)), icon=":material/error:")
    found: list[Finding] | None = st.session_state.get(_CHECKED)
    if found is not None:
        wrong = sum(each.level != OK for each in found)
        if wrong:
            st.warning(f"{wrong} of {len(found)} points want a look.")
        else:
            st.success(f"All {len(found)} points are in order.")
        findings(sorted(found, key=lambda each: (FAIL, WARN, OK).index(each.level)))


def checked_by_doctor() -> list[Finding]:
    """What `python -m trainers doctor` finds, in a process of its own: it loads torch.

    Raises:
        RunError: If it does not answer.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "trainers", "doctor", "--json"],
            cwd=REPOSITORY, capture_output=True, text=True, check=False,
            timeout=TIMEOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        rows: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
        return [Finding(**row) for row in rows]
    except subprocess.TimeoutExpired:
        raise RunError(f"The check-up took more than {TIMEOUT:.0f} seconds.") from None
    except (ValueError, KeyError, TypeError, OSError):
        raise RunError("The check-up failed: run python -m trainers doctor.") from None
