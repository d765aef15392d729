"""The key to all charts of the page: each entry's line, dot and name."""

import html
from collections.abc import Sequence

import streamlit as st

from ui.views.compare.groups import Entry

_PALETTE = "chartCategoricalColors"
# Lengths of strokes and gaps by turns, as Plotly draws them; none for a whole line.
_DASHES = {
    "solid": (), "dash": (8, 4), "dot": (2.5, 3), "dashdot": (8, 3, 2.5, 3),
    "longdash": (13, 4),
}  # fmt: skip
_SYMBOLS = {
    "circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "x": "✕",
    "triangle-down": "▼",
}  # fmt: skip
_STYLE = (
    "display:flex;flex-wrap:wrap;gap:0.3rem 1.4rem;list-style:none;margin:0;padding:0;"
    "font-size:0.9rem;line-height:1.35"
)


def show_key(entries: Sequence[Entry], baseline: Entry) -> None:
    """Show the key."""
    st.html(key_html(entries, baseline, *_palettes()))


def key_html(
    entries: Sequence[Entry],
    baseline: Entry,
    light: Sequence[str],
    dark: Sequence[str],
) -> str:
    """The key as a list; names are escaped.

    Args:
        entries: What the charts show.
        baseline: One of them.
        light: Colours of the light theme, in the order of the roles.
        dark: Those of the dark one.
    """
    items = [_item(entry, entry is baseline, light, dark) for entry in entries]
    return f'<ul style="{_STYLE}" aria-label="Key to the charts">{"".join(items)}</ul>'


def _item(
    entry: Entry, is_baseline: bool, light: Sequence[str], dark: Sequence[str]
) -> str:
    number = int(entry.color.removeprefix("@")) - 1
    color = f"light-dark({light[number]},{dark[number]})"
    more = [f"{len(entry.views)} seeds"] if entry.is_family else []
    more += ["baseline"] if is_baseline else []
    note = f' <span style="opacity:0.7">({", ".join(more)})</span>' if more else ""
    return (
        '<li style="display:flex;align-items:center;gap:0.5rem">'
        f'<span aria-hidden="true" style="{_line(entry, color)}">'
        f"{_SYMBOLS[entry.symbol]}</span>"
        f"<span>{html.escape(entry.name)}{note}</span></li>"
    )


def _line(entry: Entry, color: str) -> str:
    """The style of a box that holds a dot and is crossed by the entry's line."""
    stops, end = [], 0.0
    for place, length in enumerate(_DASHES[entry.dash] or (1,)):
        ink = "transparent" if place % 2 else color
        stops.append(f"{ink} {end:g}px {end + length:g}px")
        end += length
    return (
        f"flex:none;width:38px;text-align:center;font-size:0.8rem;color:{color};"
        f"background:repeating-linear-gradient(90deg,{','.join(stops)}) "
        "center/100% 2.4px no-repeat"
    )


def _palettes() -> tuple[Sequence[str], Sequence[str]]:
    names = (f"theme.{theme}.{_PALETTE}" for theme in ("light", "dark"))
    light, dark = (st.get_option(name) for name in names)
    return light, dark
