"""The chart component: figures as data go in, and the user's zoom survives updates.

`st.plotly_chart` mounts a new chart whenever its figure changes, and the zoom is gone.
This component (Streamlit's components v2) hands the figure to `Plotly.react` on the
same node. The library is plotly's own file, served from `ui/static/`: no network.
"""

import secrets
import shutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import streamlit as st

from ui.components.figure import Figure

STATIC = Path(__file__).resolve().parents[1] / "static"
LIBRARY = "plotly.min.js"
_SCRIPT = Path(__file__).with_name("plot.js")
_CSS = """
.vogn-plot {
  width: 100%;
  min-height: 120px;
  color: var(--st-text-color);
}
"""

# Declared once, when this module is first imported; each chart is a mount of it.
_mount = st.components.v2.component(
    "vogn_plot",
    html='<div class="vogn-plot" role="figure">\n</div>',
    css=_CSS,
    js=_SCRIPT.read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly adds its style sheet to the document
)


def install_library(folder: Path = STATIC) -> Path:
    """Copy plotly.js to the served folder, unless the same file is there.

    Args:
        folder: The folder that Streamlit serves as `app/static`.

    Returns:
        The copy.

    Raises:
        RuntimeError: If the plotly package is not installed.
    """
    spec = find_spec("plotly")  # found, not imported: importing plotly takes a while
    if spec is None or spec.origin is None:
        raise RuntimeError("plotly must be installed: pip install -r requirements.txt")
    source = Path(spec.origin).parent / "package_data" / LIBRARY
    target = folder / LIBRARY
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        folder.mkdir(exist_ok=True)
        # Two sessions may come first at once, and a browser must never get half a file.
        unfinished = folder / f".{LIBRARY}.{secrets.token_hex(4)}"
        shutil.copyfile(source, unfinished)
        unfinished.replace(target)
    return target


@cache
def _library_url() -> str:
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    # The version in the address makes browsers drop an older copy.
    return f"{base and '/' + base}/app/static/{LIBRARY}?v={version('plotly')}"


def plot(
    figure: Figure,
    *,
    key: str,
    alt: str,
    revision: str = "",
    clickable: bool = False,
) -> dict[str, Any] | None:
    """Show a figure.

    Args:
        figure: What to draw; colours are roles, see `ui.components.figure`.
        key: Unique on the page.
        alt: What the chart shows, in a sentence, for those who cannot see it.
        revision: As long as it stays the same, so does the user's zoom.
        clickable: Whether a click on a point is told, which runs the page again.

    Returns:
        The point that was clicked last: "trace" (its name), "curve" and "point" (their
        numbers), "x", "y" and its "customdata"; None before a click. It comes from the
        browser: check it as any other value of a widget.
    """
    listening: dict[str, Any] = {"on_clicked_change": _nothing} if clickable else {}
    result = _mount(
        key=key,
        data={
            "figure": {"data": figure["data"], "layout": figure["layout"]},
            "height": figure["layout"]["height"],
            "url": _library_url(),
            "alt": alt,
            "revision": revision or key,
            "clickable": clickable,
        },
        **listening,
    )
    clicked = result.get("clicked") if clickable else None
    return dict(clicked) if isinstance(clicked, Mapping) else None


def _nothing() -> None:
    """Streamlit wants to call something when a value of a component changes."""


def panel(
    title: str,
    figure: Figure,
    *,
    key: str,
    alt: str,
    note: str = "",
    revision: str = "",
    clickable: bool = False,
) -> dict[str, Any] | None:
    """Show a figure in a frame, under its title and a line of explanation.

    Returns:
        What `plot` does.
    """
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.markdown(f"**{title}**")
        if note:
            st.caption(note)
        return plot(figure, key=key, alt=alt, revision=revision, clickable=clickable)
