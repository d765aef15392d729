"""The settings of entries side by side, and where they differ. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainers.catalogue import OPTIMIZERS
from trainers.sweep import CHOICES, HYPERPARAMETERS, SECTION_OF, setting
from ui.components.formats import MISSING, words
from ui.components.forms import label
from ui.views.compare.groups import Entry

OPTIMIZER = "optimizer"
_FEWEST, _MOST = 6, 17  # digits of a number; 17 tell any two apart
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
        rows = [_values(entry, name) for entry in entries]
        if any(rows):
            digits = _digits([value for row in rows for value in row])
            told = [_told(row, digits) for row in rows]
            found.append(Setting(name, _section(name), told))
    order = list(dict.fromkeys([*CHOICES, *SECTION_OF.values()]))
    return sorted(found, key=lambda each: order.index(each.section))


def _section(name: str) -> str:
    if name in CHOICES:
        return name
    return SECTION_OF.get(name, OPTIMIZER)


def _values(entry: Entry, name: str) -> list[Any]:
    """What the runs of an entry have, each once: of a family, its seeds."""
    configs = [view.config for view in entry.views if view.config is not None]
    given = [setting(config, name) for config in configs]
    return list(dict.fromkeys(value for value in given if value is not None))


def _digits(values: Sequence[Any]) -> int:
    """The fewest digits of numbers, but no fewer than six, that tell all apart."""
    several = set(values)
    for digits in range(_FEWEST, _MOST):
        if len({_text(value, digits) for value in several}) == len(several):
            return digits
    return _MOST


def _told(values: Sequence[Any], digits: int) -> str:
    return ", ".join(_text(value, digits) for value in values) or MISSING


def _text(value: Any, digits: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
