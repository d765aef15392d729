"""Many runs made of one: what a race or a sweep amounts to. No widgets here."""

import math
import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS, optimizer_spec
from trainers.config import RunConfig, command
from trainers.flags import flag, given_settings
from trainers.jobs.launcher import checked_group
from trainers.sweep import (
    CHOICES,
    GRID,
    SECTION_OF,
    SECTIONS,
    SETTINGS,
    differing,
    setting,
    sweep,
)
from ui.components.formats import MISSING, counted
from ui.components.forms import setting_title
from ui.views.launch.ranges import expanded

ONE, RACE, SWEEP = "one", "race", "sweep"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is made of the one run that the form describes.

    Args:
        kind: `ONE`, `RACE` or `SWEEP`.
        typed: The values of each setting that varies, as they were typed.
        mode: Every combination, or side by side; see `trainers.sweep`.
        group: The name that the runs share, "" for one that is made up.
        made_up: The one that is made up.
        problems: What is wrong with what was typed, each with its row named.
    """

    kind: str = ONE
    typed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mode: str = GRID
    group: str = ""
    made_up: str = ""
    problems: Sequence[str] = ()

    def configs(self, base: RunConfig) -> list[RunConfig]:
        """The runs in their order; ValueError says what is wrong with one."""
        if self.kind == ONE:
            return [base]
        if self.group:
            checked_group(self.group)
        return sweep(base.to_dict(), _axes(self.typed), self.mode)

    def faults(self, base: RunConfig) -> list[str]:
        """The values that will not do by themselves, each with its row named.

        Args:
            base: The run that the form describes.

        Returns:
            A sentence each; [] also where it is their combination that will not do.
        """
        return [
            f"{row_title(name)}, {value}: {problem}"
            for name, values in self.typed.items()
            for value in values
            if (problem := self._fault(base, name, value))
        ]

    def _fault(self, base: RunConfig, name: str, value: str) -> str:
        """What is wrong with a value, whatever else is chosen; "" for nothing."""
        settings = [{name: [value]}]
        for choice in CHOICES:
            if choice != name:
                others = self.typed.get(choice, ())
                settings += [{choice: [other], name: [value]} for other in others]
        problem = ""
        for typed in settings:
            try:
                sweep(base.to_dict(), _axes(typed))
            except ValueError as error:
                problem = problem or str(error)
            else:
                return ""
        return problem

    @property
    def is_open(self) -> bool:
        """Whether nothing was said yet of what varies."""
        return self.kind != ONE and not self.typed and not self.problems

    @property
    def name(self) -> str:
        """The name for runs that are queued together, "" for a single one."""
        return "" if self.kind == ONE else self.group or self.made_up

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

    def commands(self, configs: Sequence[RunConfig], priority: int = 0) -> list[str]:
        """A command line for each of the runs, in a group like here.

        Args:
            configs: The runs.
            priority: Of the runs.
        """
        more = ["--group", self.name] if self.name else []
        more += ["--priority", str(priority)] if priority else []
        lines = []
        for config in configs:
            words = command(config)
            words[words.index("run")] = "submit"
            lines.append(shlex.join(words + more))
        return lines


def _axes(typed: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
    """Typed values, as and in the order in which the command line has them."""
    return given_settings(Namespace(**(dict.fromkeys(SETTINGS) | dict(typed))))


def _without(words: Sequence[str], name: str) -> list[str]:
    """A command line without one of its options."""
    if name not in words:
        return list(words)
    place = words.index(name)
    return [*words[:place], *words[place + 2 :]]


def parts(text: str, name: str = "") -> list[str]:
    """The values of a comma list, its ranges written out.

    Args:
        text: As it was typed.
        name: The setting that they are of, "" for any.

    Returns:
        The values as words.

    Raises:
        ValueError: If a range is none.
    """
    return expanded(text, whole=is_whole(name))


def is_whole(name: str) -> bool:
    """Whether a setting takes whole numbers only."""
    if name in SECTION_OF:
        section = SECTIONS[SECTION_OF[name]]
        default = next(item.default for item in fields(section) if item.name == name)
        return isinstance(default, int) and not isinstance(default, bool)
    kinds = {
        item.kind
        for spec in OPTIMIZERS.values()
        for item in spec.hyperparameters
        if item.name == name
    }
    return kinds == {"int"}


def counting(typed: Mapping[str, Sequence[str]], mode: str) -> str:
    """How many runs come of the values, with the sum that leads there."""
    lengths = {name: len(values) for name, values in typed.items()}
    if mode != GRID:
        return counted(max(lengths.values(), default=0), "run")
    words = [f"{row_title(name)} {length}" for name, length in lengths.items()]
    number = counted(math.prod(lengths.values()), "run")
    return f"{' × '.join(words)} = {number}"  # noqa: RUF001


def distinct(typed: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Values of which every combination is made: none twice, as they make no runs.

    Side by side, a value may well go with several others.
    """
    return {name: list(dict.fromkeys(values)) for name, values in typed.items()}


def row_title(name: str) -> str:
    """What a row of the sweep is called."""
    return "Seeds" if name == "seed" else setting_title(name)


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
