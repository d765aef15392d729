"""Panels for numbers in the rows that no other panel knows, such as a plug-in's."""

from collections.abc import Sequence

from ui.components.axes import Axes
from ui.components.formats import plain, words
from ui.components.labels import label
from ui.components.series import Row, value
from ui.views.run.curvature import PLANS as CURVATURE
from ui.views.run.curves import EPOCHS, PLANS, STEPS, Curve, Line, Plan, curve

MOST = 12  # panels; a run that logs more has them in the table to download
_LONGEST = 60  # characters of a name that are shown
_COLORS = {STEPS: "@1", EPOCHS: "@2"}
KNOWN = {line.key for plan in (*PLANS, *CURVATURE) for line in plan.lines}
_PLACES = {"kind", "step", "epoch", "seconds", "task"}


def other_keys(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Names of numbers that no other panel shows, with the kinds of rows that have it.

    Args:
        rows: Rows of metrics.jsonl.

    Returns:
        Kinds by name, in the order of their first appearance.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        kind = row.get("kind")
        for key in row.keys() - KNOWN - _PLACES if kind in _COLORS else ():
            if value(row[key]) is not None and kind not in found.get(key, []):
                found.setdefault(key, []).append(str(kind))
    return dict(sorted(found.items()))


def other_curves(rows: Sequence[Row], axes: Axes) -> list[Curve]:
    """A panel for each such number, of at most `MOST`."""
    found = list(other_keys(rows).items())[:MOST]
    return [curve(_plan(key, kinds), rows, axes) for key, kinds in found]


def _plan(key: str, kinds: Sequence[str]) -> Plan:
    name = words(key[:_LONGEST])
    lines = tuple(
        Line(key=key, kind=kind, name=_name(name, kind, kinds), color=_COLORS[kind])
        for kind in (STEPS, EPOCHS)
        if kind in kinds
    )
    return Plan(
        key=f"other-{key}",
        title=plain(name),
        note="Logged by the training; no panel of its own.",
        lines=lines,
        vertical={"exponentformat": "power"},
    )


def _name(name: str, kind: str, kinds: Sequence[str]) -> str:
    by = " by epoch" if kind == EPOCHS and len(kinds) > 1 else ""
    return label(name, _LONGEST) + by
