"""What is compared, as the address says: /compare?runs=ID,group:NAME&by=seeds&base=ID.

`runs` names runs, and groups (a sweep, a race) which stand for all of their runs;
`by=seeds` makes one of runs that differ in the seed alone; `base` is the run with which
the others are compared. What comes from the address is foreign: it is looked up, never
used as a path.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ui.components.navigation import GROUP_OF, group_token
from ui.components.reading import Summary

BASELINE = "base"
_LONGEST = 20_000  # characters that are looked at


@dataclass(frozen=True)
class Asked:
    """What an address asks for.

    Args:
        tokens: Ids of runs and groups that there are, each once, in order.
        views: The runs that these stand for, each once, in order.
        unknown: What there is none of.
    """

    tokens: tuple[str, ...]
    views: tuple[Summary, ...]
    unknown: tuple[str, ...]


def asked(text: str, views: Sequence[Summary]) -> Asked:
    """Look up what an address names.

    Args:
        text: The value of `runs`.
        views: All runs there are.
    """
    by_id = {view.run.id: view for view in views}
    by_token = {name: [view] for name, view in by_id.items()} | groups(views)
    tokens: list[str] = []
    unknown: list[str] = []
    for token in _tokens(text[:_LONGEST], by_token):
        (tokens if token in by_token else unknown).append(token)
    found = [view for token in tokens for view in by_token[token]]
    once = {view.run.id: view for view in found}
    return Asked(
        tuple(dict.fromkeys(tokens)),
        tuple(once.values()),
        tuple(dict.fromkeys(unknown)),
    )


def groups(views: Sequence[Summary]) -> dict[str, list[Summary]]:
    """The runs of each group, the oldest first, by how the address names the group."""
    found: dict[str, list[Summary]] = {}
    for view in sorted(views, key=lambda view: view.run.id):
        if view.group:
            found.setdefault(group_token(view.group), []).append(view)
    return found


def group_of(token: str) -> str:
    """The name of a group from the address, "" for what is none."""
    return unquote(token.removeprefix(GROUP_OF)) if token.startswith(GROUP_OF) else ""


def joined(tokens: Sequence[str]) -> str:
    """The value of `runs` that names these."""
    return ",".join(tokens)


def _tokens(text: str, known: Collection[str]) -> list[str]:
    """Part a list at its commas, but for those within a name that there is."""
    parts = [part.strip() for part in text.split(",")]
    tokens = []
    while parts:
        ends = range(1, len(parts) + 1)
        length = next((k for k in ends if joined(parts[:k]) in known), 1)
        tokens.append(joined(parts[:length]))
        del parts[:length]
    return [token for token in tokens if token]
