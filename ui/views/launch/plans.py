"""Many runs made of one: what a race or a sweep amounts to. No widgets here."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS, optimizer_spec
from trainers.config import RunConfig, command
from trainers.flags import flag, given_settings
from trainers.jobs.launcher import checked_group
from trainers.sweep import (
    GRID,
    SETTINGS,
    differing,
    new_group,
    setting,
    sweep,
)
from ui.components.formats import MISSING, words
from ui.components.forms import label

ONE, RACE, SWEEP = "one", "race", "sweep"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is made of the one run that the form describes.

    Args:
        kind: `ONE`, `RACE` or `SWEEP`.
        typed: The values of each setting that varies, as they were typed.
        mode: Every combination, or side by side; see `trainers.sweep`.
        group: The name that the runs share, "" for one that is made up.
    """

    kind: str = ONE
    typed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mode: str = GRID
    group: str = ""

    def configs(self, base: RunConfig) -> list[RunConfig]:
        """The runs in their order; ValueError says what is wrong with one."""
        if self.kind == ONE:
            return [base]
        if self.group:
            checked_group(self.group)
        return sweep(base.to_dict(), self._axes(), self.mode)

    @property
    def is_open(self) -> bool:
        """Whether nothing was said yet of what varies."""
        return self.kind != ONE and not self.typed

    def new_group(self) -> str:
        """The name for runs that are queued now, "" for a single one."""
        return "" if self.kind == ONE else self.group or new_group()

    def command(self, base: RunConfig, priority: int = 0) -> list[str]:
        """The command line that does the same.

        Args:
            base: The run that the form describes.
            priority: Of the runs.

        Returns:
            Words; [] if no command does: a race in which one optimizer has values of
            its own.
        """
        words = command(base)
        if self.kind == ONE:
            return words
        defaults = optimizer_spec(base.optimizer.name).defaults()
        if "optimizer" in self.typed and base.optimizer.hyperparameters != defaults:
            return []
        words[words.index("run")] = "submit"
        for name, values in self.typed.items():
            words = [*_without(words, flag(name)), flag(name), *values]
        words += ["--sweep", self.mode] if self.mode != GRID else []
        words += ["--group", self.group] if self.group else []
        return words + (["--priority", str(priority)] if priority else [])

    def _axes(self) -> dict[str, list[Any]]:
        """The typed values, as and in the order in which the command line has them."""
        return given_settings(Namespace(**(dict.fromkeys(SETTINGS) | dict(self.typed))))


def _without(words: Sequence[str], name: str) -> list[str]:
    """A command line without one of its options."""
    if name not in words:
        return list(words)
    place = words.index(name)
    return [*words[:place], *words[place + 2 :]]


def parts(text: str) -> list[str]:
    """The values of a comma list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def setting_title(name: str) -> str:
    """A setting's name for people."""
    for spec in OPTIMIZERS.values():
        for item in spec.hyperparameters:
            if item.name == name:
                return label(item)
    return words(name)


def table(configs: Sequence[RunConfig]) -> list[dict[str, str]]:
    """The settings in which runs differ, a row a run."""
    names = differing(configs)
    return [
        {setting_title(name): _shown(config, name) for name in names}
        for config in configs
    ]


def _shown(config: RunConfig, name: str) -> str:
    value = setting(config, name)
    titles: dict[str, Mapping[str, Any]] = {
        "optimizer": OPTIMIZERS,
        "dataset": DATASETS,
        "model": MODELS,
    }
    if value is None:
        return MISSING
    known = titles.get(name, {}).get(value)
    return known.title if known is not None else str(value)
