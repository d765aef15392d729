"""A key to charts: the line, the dot and the name of each of several things."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

_PALETTE = "chartCategoricalColors"
# Lengths of strokes and gaps by turns, as Plotly draws them; none for a whole line.
_DASHES = {
    "solid": (), "dash": (8, 4), "dot": (2.5, 3), "dashdot": (8, 3, 2.5, 3),
    "longdash": (13, 4),
}  # fmt: skip
_SYMBOLS = {
    "circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "x": "✕",
    "triangle-down": "▼", "": "",
}  # fmt: skip
_STYLE = (
    "display:flex;flex-wrap:wrap;gap:0.3rem 1.4rem;list-style:none;margin:0;padding:0;"
    "font-size:0.9rem;line-height:1.35"
)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How one thing is drawn.

    Args:
        name: What it is; foreign text.
        color: A role of `ui.components.figure`, "@1" to "@8".
        dash: Of its line, as Plotly names it.
        symbol: Of its dots, "" for none.
        note: More about it, in smaller print.
    """

    name: str
    color: str
    dash: str
    symbol: str = ""
    note: str = ""


def show_key(marks: Sequence[Mark]) -> None:
    """Show the key."""
    st.html(key_html(marks, *_palettes()))


def key_html(marks: Sequence[Mark], light: Sequence[str], dark: Sequence[str]) -> str:
    """The key as a list; names are escaped.

    Args:
        marks: What the charts show.
        light: Colours of the light theme, in the order of the roles.
        dark: Those of the dark one.
    """
    items = "".join(_item(mark, light, dark) for mark in marks)
    return f'<ul style="{_STYLE}" aria-label="Key to the charts">{items}</ul>'


def _item(mark: Mark, light: Sequence[str], dark: Sequence[str]) -> str:
    number = int(mark.color.removeprefix("@")) - 1
    color = f"light-dark({light[number]},{dark[number]})"
    told = html.escape(mark.note)
    note = f' <span style="opacity:0.7">({told})</span>' if told else ""
    return (
        '<li style="display:flex;align-items:center;gap:0.5rem">'
        f'<span aria-hidden="true" style="{_line(mark, color)}">'
        f"{_SYMBOLS[mark.symbol] or '&nbsp;'}</span>"
        f"<span>{html.escape(mark.name)}{note}</span></li>"
    )


def _line(mark: Mark, color: str) -> str:
    """The style of a box that holds a dot and is crossed by the line."""
    stops, end = [], 0.0
    for place, length in enumerate(_DASHES[mark.dash] or (1,)):
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
