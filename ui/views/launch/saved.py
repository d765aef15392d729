"""The bar under the heading of the launch page: presets, and saved configurations."""

import json
import time
from collections.abc import Callable
from functools import partial

import streamlit as st

from trainers.config import RunConfig
from trainers.saved import (
    MAX_BYTES,
    MAX_NAME,
    Saved,
    delete_config,
    find_saved,
    parsed_config,
    save_config,
    saved_configs,
)
from ui.components import access
from ui.components.engine import attempt
from ui.components.formats import age, plain
from ui.views.launch.prefill import CONFIG, PRESET, begin_with
from ui.views.launch.presets import preset_cards

OPEN = "saved"  # key of the popover; whether it is open
_NOTE = "saved-note"  # in the session: what was done before the page was made again
_COUNT = "saved-count"  # a new number empties the fields


def bar(current: Callable[[], RunConfig | None]) -> None:
    """Show presets, saved configurations, and the way to save what is in the form.

    Args:
        current: The run that the form describes, None while something is wrong.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="saved-bar"):
        with st.popover("Presets", icon=":material/auto_awesome:", key="presets"):
            preset_cards(partial(begin_with, PRESET))
        box = st.popover(
            "Saved", icon=":material/bookmarks:", key=OPEN, on_change="rerun"
        )
        if box.open:  # a thousand files are not read for a closed one
            with box:
                _list()
                _upload()
        with st.popover("Save", icon=":material/bookmark_add:", key="save"):
            _save(current())
        note = st.session_state.pop(_NOTE, "")
        if note:
            st.caption(f":material/check: {plain(note)}", width="content")


def _save(config: RunConfig | None) -> None:
    if config is None:
        st.caption("Not before the form is in order.")
        return
    name = st.text_input(
        "Save what is in the form as",
        key=f"save-name-{st.session_state.get(_COUNT, 0)}", max_chars=MAX_NAME,
        placeholder="my baseline",
    )  # fmt: skip
    there = bool(name.strip()) and find_saved(name) is not None
    if there:
        st.warning(f"There is a configuration **{plain(name.strip())}** already.")
    left, right = st.columns(2)
    if left.button(
        "Replace it" if there else "Save", type="primary", key="save-now",
        disabled=not (access.may_edit() and name.strip()), width="stretch",
    ):  # fmt: skip
        attempt([lambda: _keep(name, config, overwrite=there)])
    right.download_button(
        "Download", partial(_text, config), "config.json", "application/json",
        icon=":material/download:", key="save-download", width="stretch",
        on_click="ignore", help="For python -m trainers run --config FILE.",
    )  # fmt: skip


def _keep(name: str, config: RunConfig, *, overwrite: bool) -> None:
    saved = save_config(name, config, overwrite=overwrite)
    st.session_state[_NOTE] = f"Saved as {saved.name}."
    st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1


def _list() -> None:
    found = saved_configs()
    if not found:
        st.caption("Nothing was saved yet.")
    now = time.time()
    for number, saved in enumerate(found):
        with st.container(
            horizontal=True, vertical_alignment="center", gap="xsmall",
            key=f"saved-row-{number}",
        ):  # fmt: skip
            _row(saved, now)


def _row(saved: Saved, now: float) -> None:
    with st.container(gap=None):
        st.button(
            plain(saved.name), key=f"saved-open-{saved.name}", type="tertiary",
            icon=":material/bookmark:", disabled=saved.config is None,
            on_click=_begin, args=(saved.name,),
        )  # fmt: skip
        st.caption(plain(_about(saved, now)))
    if saved.config is not None:
        st.download_button(
            "Download", partial(_text, saved.config), f"{saved.name}.json",
            "application/json",
            icon=":material/download:", key=f"saved-download-{saved.name}",
            on_click="ignore", type="tertiary",
        )  # fmt: skip
    _delete_button(saved)


def _begin(name: str) -> None:
    st.session_state[OPEN] = False
    begin_with(CONFIG, name)


def _delete_button(saved: Saved) -> None:
    asked = f"saved-asked-{saved.name}"
    if st.session_state.get(asked):
        if st.button(
            "Delete for good", key=f"saved-sure-{saved.name}",
            icon=":material/delete_forever:", type="primary",
        ):  # fmt: skip
            del st.session_state[asked]
            attempt([partial(delete_config, saved.name)])
        return
    st.button(
        "Delete", icon=":material/delete:", key=f"saved-delete-{saved.name}",
        type="tertiary",
        disabled=not access.may_edit(),
        on_click=st.session_state.__setitem__, args=(asked, True),
    )  # fmt: skip


def _about(saved: Saved, now: float) -> str:
    if saved.config is None:
        return f"Damaged: {saved.problem}"
    config = saved.config
    names = config.optimizer.name, config.model.name, config.dataset.name
    return f"{' · '.join(names)} · {age(now - saved.time)}"


def _text(config: RunConfig) -> str:
    return json.dumps(config.to_dict(), indent=1)


def _upload() -> None:
    number = st.session_state.get(_COUNT, 0)
    file = st.file_uploader(
        "Bring a config.json, of a run or of your own", type=["json"],
        key=f"saved-file-{number}", max_upload_size=1, disabled=not access.may_edit(),
    )  # fmt: skip
    if file is None:
        return
    try:
        config = parsed_config(file.read(MAX_BYTES + 1))
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    name = st.text_input(
        "Name", value=_stem(file.name), key=f"saved-file-name-{number}",
        max_chars=MAX_NAME,
    )  # fmt: skip
    there = find_saved(name) is not None
    if there:
        st.warning(f"There is a configuration **{plain(name.strip())}** already.")
    if st.button(
        "Replace it" if there else "Save", type="primary", key="saved-file-save",
        disabled=not (access.may_edit() and name.strip()),
    ):  # fmt: skip
        attempt([lambda: _keep(name, config, overwrite=there)])


def _stem(file_name: str) -> str:
    return file_name.removesuffix(".json")[:MAX_NAME]
