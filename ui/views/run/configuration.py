"""The tab of the run's settings, the command that repeats it, and what it ran with."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from trainers.config import RunConfig
from trainers.continual.record import is_continual, read_record
from trainers.runs import Run, RunError, read_json
from ui.components import access, navigation, reading
from ui.components.commands import command_block, continual_block
from ui.components.estimates import NOTHING
from ui.components.formats import MISSING, count, counted, plain
from ui.components.notify import WEBHOOK_HINT
from ui.components.reading import Summary
from ui.views.run.files import content, is_inside
from ui.views.run.settings import settings

DIFFERING = "settings_differing"  # whether only these are shown; also in the address


def render(view: Summary) -> None:
    """Show it."""
    if view.config is None:
        st.info("The configuration of this run cannot be read.")
        return
    _actions(view.run)
    _table(view.config)
    command_place, json_place = st.columns(2)
    with command_place:
        st.markdown("### Command that repeats this run")
        st.code(_command(view.run, view.config), language="bash", wrap_lines=True)
        _software(view.run)
    with json_place:
        st.markdown("### config.json")
        shown = json.dumps(view.config.to_dict(), indent=1)
        st.code(shown, language="json")


def _command(run: Run, config: RunConfig) -> str:
    if is_continual(run):
        return continual_block(read_record(run).settings)
    return command_block(config)


def _actions(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not is_continual(run) and st.button(
            "Launch with these settings", icon=":material/rocket_launch:",
            type="primary", key="launch_again", disabled=not access.may_edit(),
            help="Opens the launch form, where you can still change them.",
        ):  # fmt: skip
            navigation.open_page(navigation.LAUNCH, **{navigation.CLONE: run.id})
        if is_inside(run, run.config):
            st.download_button(
                "config.json", partial(content, run, run.config),
                file_name=f"{run.id}-config.json", mime="application/json",
                icon=":material/download:", on_click="ignore", key="config_download",
            )  # fmt: skip


def _table(config: RunConfig) -> None:
    found = settings(config)
    chosen = [each for each in found if each.differs]
    only = st.toggle(
        "Only what differs from the default", key=DIFFERING, bind="query-params"
    )
    st.caption(
        f"● marks the {count(len(chosen))} of {counted(len(found), 'setting')} that "
        "differ from the default, or have none."
    )
    shown = chosen if only else found
    st.table(
        [{name: _cell(text) for name, text in each.row().items()} for each in shown],
        border="horizontal",
        hide_index=True,
    )


def _cell(text: str) -> str:
    return NOTHING if text == MISSING else plain(text)


def _software(run: Run) -> None:
    st.markdown("### Where it ran")
    rows = {"Code": f"vogn-app {_code_version(run)}", **_versions(run)}
    told = [f"{plain(name)} {plain(text)}" for name, text in rows.items()]
    st.markdown("\n".join(f"- {each}" for each in told))
    st.caption(f"Folder: {plain(str(run.path))}")
    st.caption(f":material/notifications: {WEBHOOK_HINT}")


def _code_version(run: Run) -> str:
    """What the launcher noted beside the configuration."""
    found = read_json(run.config)
    version = found.get("code_version") if isinstance(found, dict) else None
    return str(version) if version else "of an unknown version"


def _versions(run: Run) -> dict[str, str]:
    """What it was evaluated with; older runs did not note it."""
    try:
        content: Mapping[str, Any] = reading.evaluation(run) or {}
    except RunError:
        return {}  # told beside the headline
    versions = content.get("software")
    found = versions if isinstance(versions, dict) else {}
    return {str(name): str(each) for name, each in found.items()}
