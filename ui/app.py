"""The dashboard's entry: `python -m streamlit run ui/app.py` from the repository."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import streamlit as st

from trainers import jobs, preferences
from trainers.runs import RunError
from ui.components import access, navigation
from ui.components.plot import install_library

PAGES = {
    navigation.LAUNCH: ("Launch", ":material/rocket_launch:"),
    navigation.RUNS: ("Runs", ":material/list:"),
    navigation.RUN: ("Run", ":material/monitoring:"),
    navigation.COMPARE: ("Compare", ":material/compare_arrows:"),
    navigation.OPTIMIZER: ("Optimizer", ":material/tune:"),
    navigation.REPORT: ("Report", ":material/lab_profile:"),
    navigation.SYSTEM: ("System", ":material/memory:"),
}


def _render(name: str) -> Callable[[], None]:
    """Show a page of `ui/views`, which is imported on the first visit."""

    def render() -> None:
        import_module(f"ui.views.{name}.page").render()

    return render


def _go_to_launch() -> None:
    """The first page has no name in its address: send there who types /launch."""
    st.switch_page(pages[navigation.LAUNCH], query_params=st.query_params.to_dict())


@st.cache_resource(show_spinner=False)
def _begin() -> None:
    """Use what is kept, and look after the dispatcher; once a process."""
    with suppress(RunError):  # the page of the settings says what is wrong
        preferences.apply()
    jobs.keep_dispatcher()


# Pictures of our own: the icon font's would be fetched from a server elsewhere.
HERE = Path(__file__).parent
st.set_page_config(
    page_title="VOGN App", page_icon=str(HERE / "icon.svg"), layout="wide"
)
st.html(HERE / "style.css")
st.logo(str(HERE / "logo.svg"), size="large")
access.gate()
install_library()
with suppress(RunError):  # each page says what is wrong, and the next one tries again
    _begin()
pages = {
    name: st.Page(
        _render(name), title=title, icon=icon,
        url_path=name if name != navigation.LAUNCH else "first",
        default=name == navigation.LAUNCH,
    )
    for name, (title, icon) in PAGES.items()
}  # fmt: skip
navigation.register(pages)
typed = st.Page(
    _go_to_launch, title="Launch", url_path=navigation.LAUNCH, visibility="hidden"
)
st.navigation([*pages.values(), typed], position="top").run()
