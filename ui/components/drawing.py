"""A sheet to draw on, for mouse, pen and finger; what is drawn comes as a PNG."""

from pathlib import Path

import streamlit as st

_SCRIPT = Path(__file__).with_name("drawing.js")
_HTML = """
<div class="drawing">
  <canvas width="280" height="280" role="img" tabindex="-1"></canvas>
  <div class="tools">
    <label>Brush <input class="brush" type="range" min="4" max="48" step="2" value="22"
      aria-label="Width of the brush in pixels"></label>
    <label class="ink">Ink <input class="color" type="color" value="#000000"
      aria-label="Colour of the ink"></label>
    <span class="buttons">
      <button type="button" class="undo">Undo</button>
      <button type="button" class="clear">Clear</button>
    </span>
  </div>
</div>
"""
_CSS = """
.drawing {
  display: flex; flex-direction: column; gap: 10px; max-width: 300px;
  color: var(--st-text-color); font: 400 0.85rem/1.3 var(--st-font);
}
canvas {
  width: 100%; aspect-ratio: 1; background: #fff; touch-action: none;
  cursor: crosshair; border-radius: 8px; border: 1px solid var(--st-border-color);
  box-sizing: border-box;
}
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; }
.tools label { display: inline-flex; align-items: center; gap: 6px; }
.tools label[hidden] { display: none; }
.brush { width: 92px; accent-color: var(--st-primary-color); }
.color { width: 30px; height: 26px; padding: 0; border: 0; background: none; }
.buttons { display: inline-flex; gap: 8px; margin-left: auto; }
button {
  min-height: 2rem; padding: 0 0.7rem; border-radius: var(--st-button-radius, 8px);
  border: 1px solid var(--st-border-color); background: none; color: inherit;
  font: inherit; cursor: pointer;
}
button:hover:not(:disabled) {
  border-color: var(--st-primary-color); color: var(--st-primary-color);
}
button:disabled { opacity: 0.45; cursor: default; }
:is(button, input):focus-visible {
  outline: 2px solid var(--st-primary-color); outline-offset: 1px;
}
"""

# Declared once, when this module is first imported.
_mount = st.components.v2.component(
    "vogn_drawing", html=_HTML, css=_CSS, js=_SCRIPT.read_text(encoding="utf-8")
)


def drawing(*, key: str, label: str, colored: bool = False) -> str | None:
    """Show the sheet.

    Args:
        key: Unique on the page.
        label: What is to be drawn, for those who cannot see the sheet.
        colored: Whether the ink may have a colour.

    Returns:
        The drawing, dark on white, as a data address of a PNG file; None of an empty
        sheet. It comes from the browser: check it as any other value of a widget.
    """
    result = _mount(
        key=key, data={"label": label, "colored": colored}, on_picture_change=_nothing
    )
    picture = result.get("picture")
    return picture if isinstance(picture, str) and picture else None


def _nothing() -> None:
    """Streamlit wants to call something when the drawing changes."""
