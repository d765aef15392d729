"""The settings: how the dashboard looks, and what goes with each run."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from data.cache import cache_folder
from trainers import preferences
from trainers.jobs.settings import stop_grace
from trainers.mirrors import MIRRORS, missing
from trainers.preferences import CACHE, GRACE
from trainers.preferences import MIRRORS as MIRRORS_NAME
from trainers.runs import RunError
from ui.components import access, navigation
from ui.components.engine import attempt
from ui.components.formats import plain

_SCRIPT = Path(__file__).with_name("appearance.js")
_HTML = """
<fieldset class="appearance">
  <legend>Theme</legend>
  <label><input type="radio" name="theme" value="System"> As the system</label>
  <label><input type="radio" name="theme" value="Light"> Light</label>
  <label><input type="radio" name="theme" value="Dark"> Dark</label>
</fieldset>
"""
_CSS = """
.appearance { border: 0; margin: 0; padding: 0; display: flex; gap: 1.25rem; }
.appearance { color: var(--st-text-color); font: 400 0.95rem/1.6 var(--st-font); }
legend { padding: 0; font-size: 0.875rem; }
label { display: inline-flex; align-items: center; gap: 0.4rem; cursor: pointer; }
input { accent-color: var(--st-primary-color); width: 1rem; height: 1rem; }
input:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""

# Declared once, when this module is first imported.
_mount = st.components.v2.component(
    "vogn_appearance", html=_HTML, css=_CSS, js=_SCRIPT.read_text(encoding="utf-8")
)


def appearance() -> None:
    """Let a person choose the theme; the browser keeps it."""
    st.markdown("### Appearance")
    _mount(key="appearance", data={"pages": ["", *navigation.names()]})
    st.caption("Kept by this browser, for all pages.")


def settings() -> None:
    """Show and change what goes with each run that is launched from here."""
    st.markdown("### Runs launched from here")
    try:
        kept = preferences.kept()
    except RunError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        kept = {}
    locked = not access.may_edit()
    with st.form("settings", border=True):
        given = _fields(kept, locked)
        sent = st.form_submit_button(
            "Save", type="primary", icon=":material/save:", disabled=locked
        )
    for name in preferences.NAMES:
        if preferences.fixed(name):
            st.caption(f"{plain(name)} was set where the server was started.")
    for words in filter(None, map(missing, _known(given[MIRRORS_NAME]))):
        st.warning(plain(words), icon=":material/extension_off:")
    if sent:
        attempt([partial(preferences.keep, given)])


def _fields(kept: Mapping[str, str], locked: bool) -> dict[str, str]:
    """Show the fields, and return what stands in them by name.

    Args:
        kept: What is in force.
        locked: Whether nothing can be changed.
    """
    folder = st.text_input(
        "Data folder", kept.get(CACHE, ""), placeholder=str(cache_folder()),
        disabled=locked or preferences.fixed(CACHE), key="setting-cache",
        help="Where datasets are looked for and downloaded to. Empty: the default.",
    )  # fmt: skip
    mirrors = st.multiselect(
        "Mirrors", list(MIRRORS), _known(kept.get(MIRRORS_NAME, "")),
        disabled=locked or preferences.fixed(MIRRORS_NAME), key="setting-mirrors",
        help="Trackers that each run is copied to while it trains.",
    )  # fmt: skip
    grace = st.text_input(
        "Seconds to stop", kept.get(GRACE, ""), placeholder=f"{stop_grace({}):g}",
        disabled=locked or preferences.fixed(GRACE), key="setting-grace",
        help="What a run gets to save its state before it is killed.",
    )  # fmt: skip
    return {CACHE: folder, MIRRORS_NAME: ",".join(mirrors), GRACE: grace}


def _known(text: str) -> list[str]:
    return [name for name in text.split(",") if name in MIRRORS]
