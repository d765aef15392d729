"""Colours by role, on light and on dark; a model looks the same in every figure.

Chart colours are those of Okabe and Ito (2008, Color Universal Design), which
colour-blind people tell apart, darkened or lightened where the background asks for it.
Points have shapes too, and models beyond the eighth dashed lines: nothing is told by
colour alone. What is no model (gaps, right and wrong, test and OOD sets) has colours
that no model has: grey, and a violet that is far darker, or on dark far lighter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LIGHT: Mapping[str, str] = MappingProxyType({
    "model-0": "#0072B2", "model-1": "#D55E00", "model-2": "#009E73",
    "model-3": "#B5588F", "model-4": "#A87400", "model-5": "#3B9AD1",
    "model-6": "#1B2733", "model-7": "#7D8200",
    "ink": "#1B2733", "muted": "#56636F", "line": "#DCE3EA", "page": "#FFFFFF",
    "soft": "#F4F7FA", "link": "#00629B", "gap": "#7A8794", "bad": "#5B2A9D",
    "good": "#7A8794", "heat": "#0072B2", "mark": "#E5F1F8",
})  # fmt: skip

DARK: Mapping[str, str] = MappingProxyType({
    "model-0": "#56B4E9", "model-1": "#E69F00", "model-2": "#2DB88F",
    "model-3": "#CC79A7", "model-4": "#F0E442", "model-5": "#E2703A",
    "model-6": "#E4EAF0", "model-7": "#B9BE4B",
    "ink": "#E4EAF0", "muted": "#A3B0BC", "line": "#2F3C49", "page": "#10161D",
    "soft": "#19222C", "link": "#7CC4EE", "gap": "#8794A1", "bad": "#C9A6FF",
    "good": "#8794A1", "heat": "#2F87BF", "mark": "#173247",
})  # fmt: skip

_HUES = 8
# Name in Plotly, marker in matplotlib, and a character for the legend.
SYMBOLS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "circle": ("o", "●"), "square": ("s", "■"), "diamond": ("D", "◆"),
    "triangle-up": ("^", "▲"), "triangle-down": ("v", "▼"), "cross": ("P", "✚"),
    "x": ("X", "✖"), "star": ("*", "★"), "pentagon": ("p", "⬟"), "hexagon": ("h", "⬢"),
})  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a model is drawn: colour, line and points."""

    color: str
    dash: str
    symbol: str


def look(index: int) -> Look:
    """How the model of an index is drawn, from 0."""
    symbol = list(SYMBOLS)[index % len(SYMBOLS)]
    dash = "dash" if index // _HUES % 2 else "solid"
    return Look(f"model-{index % _HUES}", dash, symbol)
