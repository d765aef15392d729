"""The settings of a run as rows of a table, each beside its default."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from inspect import getdoc
from typing import Any

from data import DATASETS
from trainers.catalogue import model_spec, optimizer_spec
from trainers.config import RunConfig
from ui.components.formats import MISSING as NOTHING
from ui.components.formats import words
from ui.components.forms import label

# An entry of a docstring's list of arguments, with the lines that go on with it.
_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Setting:
    """One setting of a run.

    Args:
        section: Part of the configuration, for people.
        name: Its name for people.
        value: What it is.
        default: What it would be if nobody had said; MISSING where there is none.
        meaning: What it does.
    """

    section: str
    name: str
    value: Any
    default: Any
    meaning: str

    @property
    def differs(self) -> bool:
        """Whether somebody chose it, as everything without a default."""
        return bool(self.value != self.default)

    def row(self) -> dict[str, str]:
        """A line of the table."""
        return {
            "Differs": "●" if self.differs else "",
            "Section": self.section,
            "Setting": self.name,
            "Value": text(self.value),
            "Default": NOTHING if self.default is MISSING else text(self.default),
            "Meaning": self.meaning,
        }


def text(value: Any) -> str:
    """A value as people write it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings(config: RunConfig) -> list[Setting]:
    """Every setting of a run, section by section."""
    dataset, model = DATASETS[config.dataset.name], model_spec(config.model.name)
    return [
        *_section("Dataset", config.dataset, dataset.title),
        *_section("Model", config.model, model.title),
        *_optimizer(config),
        *_section("Training", config.training),
        *_section("Evaluation", config.evaluation),
    ]


def _section(title: str, section: Any, named: str = "") -> Iterator[Setting]:
    meanings = meanings_of(type(section))
    for item in fields(section):
        meaning = named if item.name == "name" else meanings.get(item.name, "")
        value = getattr(section, item.name)
        yield Setting(title, words(item.name), value, item.default, meaning)


def _optimizer(config: RunConfig) -> Iterator[Setting]:
    spec, given = optimizer_spec(config.optimizer.name), config.optimizer
    yield Setting("Optimizer", "Name", spec.name, MISSING, spec.title)
    for item in spec.hyperparameters:
        value = given.hyperparameters[item.name]
        yield Setting("Optimizer", label(item), value, item.default, item.help)


def meanings_of(section: type) -> dict[str, str]:
    """What the fields of a part of the configuration mean, by its docstring."""
    found = _ARGUMENT.findall(getdoc(section) or "")
    return {name: " ".join(told.replace("`", "").split()) for name, told in found}
