"""Cards that can be chosen, as one component: many widgets would be slow."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

_SCRIPT = Path(__file__).with_name("cards.js")
_CSS = """
.cards {
  display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(236px, 1fr));
  color: var(--st-text-color); font: 400 0.8rem/1.35 var(--st-font);
}
.card {
  display: flex; gap: 12px; align-items: center; padding: 10px; text-align: left;
  border: 1px solid var(--st-border-color); border-radius: 8px; cursor: pointer;
  background: none; color: inherit; font: inherit; min-width: 0;
}
.card:hover { border-color: var(--st-primary-color); }
.card:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.card[aria-pressed="true"] {
  border-color: var(--st-primary-color); box-shadow: 0 0 0 1px var(--st-primary-color);
}
.card img {
  width: 84px; height: 84px; flex: none; object-fit: contain; border-radius: 4px;
  image-rendering: pixelated;
}
.missing {
  width: 84px; height: 84px; flex: none; display: grid; place-items: center;
  text-align: center; border-radius: 4px; border: 1px dashed var(--st-border-color);
}
.believed { flex: 1; min-width: 0; }
.verdict {
  display: block; font-weight: 600; margin-bottom: 4px; overflow-wrap: anywhere;
}
.named { display: flex; justify-content: space-between; gap: 6px; }
.named > :last-child { flex: none; white-space: nowrap; }
.name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.track {
  display: block; position: relative; height: 5px; margin: 1px 0 5px;
  border-radius: 2px; background: color-mix(in srgb, currentColor 12%, transparent);
}
.fill { display: block; height: 5px; border-radius: 2px; }
.fill.right { background: #0A84C6; }
.fill.wrong { background: #D55E00; }
.fill.other { background: color-mix(in srgb, currentColor 40%, transparent); }
.spread {
  position: absolute; top: 1.5px; height: 2px; min-width: 2px; background: currentColor;
}
.spread::before, .spread::after {
  content: ""; position: absolute; top: -2.5px; width: 1.5px; height: 7px;
  background: currentColor;
}
.spread::before { left: 0; }
.spread::after { right: 0; }
span.right { color: #0A84C6; }
span.wrong { color: #D55E00; }
.facts { display: block; opacity: 0.75; font-size: 0.74rem; }
"""

# Declared once, when this module is first imported.
_mount = st.components.v2.component(
    "vogn_cards",
    html='<div class="cards"></div>',
    css=_CSS,
    js=_SCRIPT.read_text(encoding="utf-8"),
)


def cards(html: str, *, key: str, label: str, on_choice: Callable[[int], None]) -> None:
    """Show cards.

    Args:
        html: Buttons with a number each as "data-row"; what is not ours is escaped.
        key: Unique on the page.
        label: What they are, for those who cannot see them.
        on_choice: Called with the number of a card that was chosen, before the page is
            run again. It comes from the browser: check it as any other value.
    """

    def chosen() -> None:
        number = st.session_state[key].get("chosen")
        if type(number) is int:
            on_choice(number)

    _mount(key=key, data={"html": html, "label": label}, on_chosen_change=chosen)
