"""The settings of entries side by side, and where they differ. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainers.catalogue import OPTIMIZERS
from trainers.sweep import CHOICES, HYPERPARAMETERS, SECTION_OF, setting
from ui.components.formats import MISSING, words
from ui.components.forms import label
from ui.components.reading import Summary
from ui.views.compare.groups import Entry

OPTIMIZER = "optimizer"
_ITEMS = {
    item.name: item for spec in OPTIMIZERS.values() for item in spec.hyperparameters
}


@dataclass(frozen=True)
class Setting:
    """One setting of all entries.

    Args:
        name: As on the command line.
        section: Where it belongs: "dataset", "model", "optimizer", "training" or
            "evaluation".
        values: A text an entry, `MISSING` where its optimizer has none such.
    """

    name: str
    section: str
    values: Sequence[str]

    @property
    def title(self) -> str:
        """The name for a page, as the launch form has it."""
        item = _ITEMS.get(self.name)
        return words(self.name) if item is None else label(item)

    @property
    def identical(self) -> bool:
        """Whether all entries have the same."""
        return len(set(self.values)) < 2

    def differs(self, place: int, baseline: int) -> bool:
        """Whether an entry has another value than the baseline."""
        return self.values[place] != self.values[baseline]


def settings(entries: Sequence[Entry]) -> list[Setting]:
    """The settings that any entry has, section by section.

    An entry whose configuration cannot be read has none.
    """
    found = []
    names = (*CHOICES, *HYPERPARAMETERS, *SECTION_OF)
    for name in names:
        values = [_told(entry, name) for entry in entries]
        if any(value != MISSING for value in values):
            found.append(Setting(name, _section(name), values))
    order = list(dict.fromkeys([*CHOICES, *SECTION_OF.values()]))
    return sorted(found, key=lambda each: order.index(each.section))


def _section(name: str) -> str:
    if name in CHOICES:
        return name
    return SECTION_OF.get(name, OPTIMIZER)


def _told(entry: Entry, name: str) -> str:
    """The value, of a family all that its runs have: the seeds."""
    values = dict.fromkeys(_value(view, name) for view in entry.views)
    known = [value for value in values if value != MISSING]
    return ", ".join(known) or MISSING


def _value(view: Summary, name: str) -> str:
    if view.config is None:
        return MISSING
    value: Any = setting(view.config, name)
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
