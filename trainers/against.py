"""Results of runs against one of their settings: a line over its values, with seeds.

For any group of runs that differ in a number: a sweep over the learning rate as well as
a study of the temperature. Torch-free.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainers.catalogue import OPTIMIZERS, model_spec, optimizer_spec
from trainers.config import RunConfig
from trainers.families import data_name, told_apart
from trainers.hyperparameters import AUTO, HyperParameter
from trainers.recipes import num_training
from trainers.runs import Run, RunError, load_config, read_json
from trainers.sweep import CHOICES, SECTION_OF, differing, label, setting

if TYPE_CHECKING:
    from calibration import SeedSummary

MEASURES = ("nll", "ece", "accuracy")
SEED = "seed"
# Numbers that name something and measure nothing.
_NO_AXES = (*CHOICES, SEED, "split_seed", "folder", "weights", "log_interval")
_PER_EXAMPLE = re.compile(r"training examples / ([\d.]+)")
_BY_EXAMPLES = re.compile(r"([\d.]+) / training examples")


@dataclass(frozen=True)
class Measured:
    """A run that was evaluated.

    Args:
        config: Its configuration.
        metrics: Headline numbers on the test split; of a posterior, averaged over it.
        at_mean: The same at the posterior mean; {} where there is none.
    """

    config: RunConfig
    metrics: Mapping[str, float]
    at_mean: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """The runs at one value of the setting.

    Args:
        value: The value; None of an optimizer that has no such setting.
        runs: By seed.
    """

    value: float | None
    runs: Mapping[int, Measured]

    def by_seed(self, measure: str, at_mean: bool = False) -> dict[int, float]:
        """A number of each seed that has it."""
        found = {
            seed: (run.at_mean if at_mean else run.metrics).get(measure)
            for seed, run in self.runs.items()
        }
        return {
            seed: number
            for seed, number in found.items()
            if number is not None and math.isfinite(number)
        }

    def over_seeds(self, measure: str, at_mean: bool = False) -> "SeedSummary | None":
        """Its mean and deviation over the seeds; None where no run has it."""
        from calibration import mean_over_seeds  # which imports SciPy

        numbers = [*self.by_seed(measure, at_mean).values()]
        return mean_over_seeds(numbers) if numbers else None


@dataclass(frozen=True)
class Line:
    """Runs that differ in the setting and the seed alone.

    Args:
        name: Tells it from the other lines; foreign text.
        config: The configuration of one of them.
        places: By value, the smallest first.
    """

    name: str
    config: RunConfig
    places: Sequence[Place]

    @property
    def is_level(self) -> bool:
        """Whether its optimizer has no such setting: a level to compare with."""
        return self.places[0].value is None

    def at(self, value: float) -> Place | None:
        """The runs at a value, None for none."""
        near = (p for p in self.places if same(p.value, value))
        return next(near, None)


def axes_of(configs: Sequence[RunConfig]) -> list[str]:
    """The numeric settings in which runs differ, by flag name.

    Args:
        configs: Of the runs.

    Returns:
        Those of the optimizers first; never the seed.
    """
    names = [name for name in differing(configs) if name not in _NO_AXES]
    found = [name for name in names if _is_axis(configs, name)]
    return sorted(found, key=lambda name: name in SECTION_OF)


def _is_axis(configs: Sequence[RunConfig], name: str) -> bool:
    known = [config for config in configs if setting(config, name) is not None]
    values = {number_of(config, name) for config in known}
    return None not in values and len(values) > 1


def lines(found: Iterable[Measured], axis: str) -> list[Line]:
    """Gather runs by what they have in common beside a setting and the seed.

    Args:
        found: The runs; of the same settings and seed the last one counts.
        axis: The setting.

    Returns:
        Lines, those with the most values first and levels last.
    """
    gathered: dict[str, dict[float | None, dict[int, Measured]]] = {}
    configs: dict[str, RunConfig] = {}
    for run in found:
        key, value = _rest_of(run.config, axis), number_of(run.config, axis)
        if value is None and setting(run.config, axis) is not None:
            continue  # a word, or what cannot be reckoned here
        configs.setdefault(key, run.config)
        runs = gathered.setdefault(key, {}).setdefault(value, {})
        runs[run.config.training.seed] = run
    names = _names([*configs.values()], axis)
    made = [
        Line(name, configs[key], _places(gathered[key]))
        for name, key in zip(names, configs, strict=True)
    ]
    return sorted(made, key=lambda line: (line.is_level, -len(line.places)))


def _places(runs: Mapping[float | None, Mapping[int, Measured]]) -> list[Place]:
    values = sorted(runs, key=lambda value: -math.inf if value is None else value)
    return [
        Place(value, {seed: runs[value][seed] for seed in sorted(runs[value])})
        for value in values
    ]


def _names(configs: Sequence[RunConfig], axis: str) -> list[str]:
    """Names of lines: by optimizer, or model, data and other settings."""
    known = (*CHOICES, "folder", SEED, axis)
    others = [name for name in differing(configs) if name not in known]
    return told_apart(
        [optimizer_spec(config.optimizer.name).title for config in configs],
        [model_spec(config.model.name).title for config in configs],
        [data_name(config.dataset) for config in configs],
        [label(config, others) for config in configs],
    )


def _rest_of(config: RunConfig, axis: str) -> str:
    """What runs of one line share, and with no others."""
    content = config.to_dict()
    content["training"].pop(SEED)
    content[SECTION_OF.get(axis, "training")].pop(axis, None)
    content["optimizer"]["hyperparameters"].pop(axis, None)
    return json.dumps(content, sort_keys=True)


def number_of(config: RunConfig, name: str) -> float | None:
    """The value of a setting as a number, what is automatic reckoned.

    Args:
        config: Of a run.
        name: The setting.

    Returns:
        The number; None where there is none.
    """
    value = setting(config, name)
    if value == AUTO:
        item = hyperparameter(config.optimizer.name, name)
        return automatic(item, config) if item is not None else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def hyperparameter(optimizer: str, name: str) -> HyperParameter | None:
    """A hyper-parameter of an optimizer, None where it has none such."""
    own = OPTIMIZERS[optimizer].hyperparameters if optimizer in OPTIMIZERS else ()
    return next((item for item in own if item.name == name), None)


def automatic(item: HyperParameter, config: RunConfig) -> float | None:
    """What "auto" stands for in a run, as far as the spec's words say it in numbers.

    Args:
        item: The hyper-parameter.
        config: The run, of which the number of training examples counts.

    Returns:
        The number; None where the words are others, or the data cannot be counted.
    """
    per, by = (form.fullmatch(item.automatic) for form in (_PER_EXAMPLE, _BY_EXAMPLES))
    if per is None and by is None:
        return None
    try:
        number = num_training(config.dataset)
    except ValueError:
        return None
    return number / float(per[1]) if per else float(by[1]) / number if by else None


def same(one: Any, two: Any) -> bool:
    """Whether two values of a setting are the same but for rounding."""
    if one is None or two is None:
        return one is two
    return math.isclose(one, two, rel_tol=1e-6, abs_tol=1e-12)


def measured(run: Run) -> Measured | None:
    """What is known of a run on disk, None of one that was not evaluated.

    Raises:
        RunError: If its files are damaged.
    """
    if not run.evaluation.exists():
        return None
    content = read_json(run.evaluation)
    if not isinstance(content, dict):
        raise RunError(f"{run.evaluation} is not an evaluation.")
    return Measured(
        load_config(run), numbers(content.get("metrics")), numbers(content.get("mean"))
    )


def numbers(content: Any) -> dict[str, float]:
    """The finite numbers of decoded JSON by name, {} of anything else."""
    items = content.items() if isinstance(content, dict) else ()
    return {
        name: float(value)
        for name, value in items
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }
