"""What the tabs of the page are given, and what they all say in the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from ui.components.formats import plain
from ui.components.reading import Summary
from ui.views.compare.groups import Entry


@dataclass(frozen=True)
class Comparison:
    """The entries, and the place of the one that the others are compared with.

    Args:
        entries: What is set side by side.
        place: Of the one that the others are compared with.
        views: All runs that were chosen, also those beyond the entries.
    """

    entries: Sequence[Entry]
    place: int = 0
    views: Sequence[Summary] = ()

    @property
    def baseline(self) -> Entry:
        """What the others are compared with."""
        return self.entries[self.place]

    @property
    def others(self) -> list[Entry]:
        """All but the baseline."""
        return [entry for entry in self.entries if entry is not self.baseline]

    @property
    def bands(self) -> str:
        """What a band is, where there are any."""
        families = any(entry.is_family for entry in self.entries)
        return " Bands are one standard deviation over seeds." if families else ""

    @property
    def revision(self) -> str:
        """Changes when a zoom of before would show something else."""
        return "/".join(f"{entry.id}+{len(entry.views)}" for entry in self.entries)


def name_of(entry: Entry) -> str:
    """The name of an entry with how many seeds it has, in Markdown."""
    seeds = f" :small[({len(entry.views)} seeds)]" if entry.is_family else ""
    # A narrow cell must not break SP-NGD in two; a hyphen of other names may be broken.
    whole = entry.name.replace("SP-NGD", "SP\N{NON-BREAKING HYPHEN}NGD")
    whole = whole.replace("K-FAC", "K\N{NON-BREAKING HYPHEN}FAC")
    return f"{plain(whole)}{seeds}"


def told_missing(missing: Mapping[str, Sequence[str]]) -> None:
    """Say of which entries something is not shown, and why."""
    for reason, names in missing.items():
        who = ", ".join(f"**{plain(name)}**" for name in dict.fromkeys(names))
        st.caption(f":material/info: Not shown: {who} ({plain(reason)}).")
