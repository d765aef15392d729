"""The key to all charts of the page: each entry's line, dot and name."""

from collections.abc import Sequence

from ui.components import key
from ui.components.key import Mark
from ui.views.compare.groups import Entry


def show_key(entries: Sequence[Entry], baseline: Entry) -> None:
    """Show the key."""
    key.show_key(marks(entries, baseline))


def marks(entries: Sequence[Entry], baseline: Entry) -> list[Mark]:
    """How each entry is drawn.

    Args:
        entries: What the charts show.
        baseline: One of them.
    """
    return [_mark(entry, entry is baseline) for entry in entries]


def _mark(entry: Entry, is_baseline: bool) -> Mark:
    more = [f"{len(entry.views)} seeds"] if entry.is_family else []
    more += ["baseline"] if is_baseline else []
    return Mark(
        name=entry.name, color=entry.color, dash=entry.dash, symbol=entry.symbol,
        note=", ".join(more),
    )  # fmt: skip
