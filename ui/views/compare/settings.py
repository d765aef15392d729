"""The tab of configurations side by side."""

from collections.abc import Sequence

import streamlit as st

from ui.components.formats import MISSING, plain, words
from ui.views.compare.comparison import Comparison
from ui.views.compare.config_diff import Setting, settings

HIDE = "compare_hide"


def render(comparison: Comparison) -> None:
    """Show the settings."""
    found = settings(comparison.entries)
    hide = st.toggle(
        "Hide identical", True, key=HIDE, bind="query-params",
        help="Leave out the settings that all entries have in common.",
    )  # fmt: skip
    shown = [each for each in found if not (hide and each.identical)]
    if not shown:
        st.info("All settings are the same.", icon=":material/check:")
        return
    st.table(
        lines(shown, comparison), border="horizontal", hide_index=True,
        alt="The settings of each entry",
    )  # fmt: skip
    hidden = len(found) - len(shown)
    more = f" {hidden} identical ones are hidden." if hidden else ""
    st.caption(
        f"Highlighted: other than the baseline, {plain(comparison.baseline.name)}. "
        f"A dash: the optimizer has no such setting.{more}"
    )


def lines(shown: Sequence[Setting], comparison: Comparison) -> dict[str, list[str]]:
    """The table, in Markdown, where what differs from the baseline is highlighted."""
    table = {
        "Section": [_first_of(shown, place) for place in range(len(shown))],
        "Setting": [plain(each.title) for each in shown],
    }
    for entry in comparison.entries:
        place = entry.place
        table[plain(entry.name)] = [
            _cell(each.values[place], each.differs(place, comparison.place))
            for each in shown
        ]
    return table


def _first_of(shown: Sequence[Setting], place: int) -> str:
    section = shown[place].section
    if place and shown[place - 1].section == section:
        return ""
    return words(section)


def _cell(text: str, differs: bool) -> str:
    shown = f"\\{MISSING}" if text == MISSING else plain(text)  # a dash is no list
    return f":orange-background[{shown}]" if differs else shown
