"""What a run costs in time and memory, from a few measured numbers. Torch-free.

`trainers.estimate` measures a `Cost` in a process with torch; here is the arithmetic
from a step to a whole run.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Self

from trainers.catalogue import optimizer_spec
from trainers.config import RunConfig
from trainers.sizes import Sizes

KEPT_TRAINING = 5000  # training examples that are predicted, as `trainers.predictions`
BUSY = 0.5  # programs a core
LARGEST = 1e15  # of a number that another process wrote


class Span(NamedTuple):
    """A number that is known to lie somewhere, most likely at the middle one."""

    low: float
    middle: float
    high: float

    def __mul__(self, factor: Any) -> "Span":
        """All three times a number."""
        return Span(*(each * factor for each in self))

    def __add__(self, other: Any) -> "Span":
        """The sum with another span."""
        return Span(*(a + b for a, b in zip(self, other, strict=True)))


NOTHING = Span(0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was measured of a configuration on a machine.

    Args:
        device: Where, for people.
        parameters: Number of the network's parameters.
        batch_size: Examples a step of one process.
        step: Seconds of a step.
        num_steps: How many steps were measured.
        predict: Seconds a predicted example.
        draw: Seconds to draw the weights once, 0 without a posterior.
        start: Seconds until the first step.
        memory: Bytes at the peak, of all processes.
        available: Bytes that are free for them.
        load: Programs that wanted each core before, 0 if unknown; above `BUSY` the
            times are those of a machine that does other things too.
        sizes: Of the data.
        problem: Why nothing was measured, "" if it was.
    """

    device: str
    parameters: int = 0
    batch_size: int = 0
    step: Span = NOTHING
    num_steps: int = 0
    predict: float = 0.0
    draw: float = 0.0
    start: float = 0.0
    memory: int = 0
    available: int = 0
    load: float = 0.0
    sizes: Sizes
    problem: str = ""

    @property
    def fits(self) -> bool:
        """Whether there is enough memory, as far as is known."""
        return not self.problem and self.memory <= self.available

    def steps(self, config: RunConfig) -> int:
        """Steps of an epoch."""
        whole, rest = divmod(self.sizes.train, config.training.batch_size)
        return whole + (rest > 1 or not whole)

    def epoch(self, config: RunConfig) -> Span:
        """Seconds of an epoch with what is predicted after it."""
        wanted = config.evaluation.validation_samples if self._samples(config) else 1
        draws = most_draws(config, wanted)
        return self.step * self.steps(config) + self._passes(
            draws, self.sizes.validation
        )

    def evaluation(self, config: RunConfig) -> Span:
        """Seconds of the final evaluation."""
        sizes = self.sizes
        judged = sizes.test + sizes.ood + sizes.validation + sizes.grid
        at_mean = self._passes(1, judged + min(sizes.train, KEPT_TRAINING))
        if not self._samples(config):
            return at_mean
        draws = most_draws(config, config.evaluation.test_samples)
        return at_mean + self._passes(draws, judged)

    def total(self, config: RunConfig) -> Span:
        """Seconds of the whole run, alone on its device."""
        start = Span(self.start, self.start, self.start)
        return (
            start + self.epoch(config) * config.training.epochs
            + self.evaluation(config)
        )  # fmt: skip

    def _passes(self, draws: int, examples: int) -> Span:
        seconds = draws * (examples * self.predict + self.draw * bool(examples))
        return Span(0.8, 1.0, 1.25) * seconds

    def _samples(self, config: RunConfig) -> bool:
        spec = optimizer_spec(config.optimizer.name)
        sampled = config.optimizer.hyperparameters.get("sampled", True)
        return spec.bayesian and bool(sampled)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps({**asdict(self), "fits": self.fits}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote, in another process.

        Raises:
            ValueError: If it is anything else.
        """
        content = json.loads(text)
        try:
            values = {item.name: content[item.name] for item in fields(cls)}
            values["step"] = Span(*map(_number, values["step"]))
            sizes = dict(values["sizes"])
            sizes["input_shape"] = tuple(map(int, sizes["input_shape"]))
            values["sizes"] = Sizes(**sizes)
            for name in ("predict", "draw", "start", "memory", "available", "load"):
                _number(values[name])
        except (KeyError, TypeError) as error:
            raise ValueError(f"estimate must be complete, got {error}.") from None
        return cls(**values)


def most_draws(config: RunConfig, wanted: int) -> int:
    """How many draws are taken when so many are wanted.

    Of an ensemble of networks each is taken once, however many are wanted.
    """
    spec = optimizer_spec(config.optimizer.name)
    return spec.num_draws(config.optimizer.hyperparameters, wanted)


def _number(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < LARGEST:
        raise ValueError(f"an estimate must be of numbers, got {value!r}.")
    return float(value)


def cost_key(config: RunConfig) -> str:
    """What is the same of configurations of which one measurement tells all.

    Numbers with decimals, such as learning rates, change what is computed and not how
    long it takes; so do seeds, and epochs and samples are multiplied later. Somebody's
    own data may be replaced by others of the same name.
    """
    content = config.to_dict()
    training: dict[str, Any] = content["training"]
    spec = optimizer_spec(config.optimizer.name)
    own = {item.name: item for item in spec.hyperparameters}
    values: Mapping[str, Any] = content["optimizer"]["hyperparameters"]
    return json.dumps([
        {**content["dataset"], "split_seed": 0},
        _stamp(config.dataset.folder),
        content["model"]["name"],
        spec.name,
        {name: v for name, v in values.items() if own[name].kind != "float"},
        [training[k] for k in ("batch_size", "device", "num_processes")],
        [bool(training[k]) for k in ("mixup", "random_erasing", "rescale_weights")],
        content["evaluation"]["ood"],
    ])


def _stamp(folder: str | None) -> list[int]:
    """What changes when a folder or file is replaced, [] of none."""
    try:
        found = os.stat(folder) if folder else None
    except (OSError, ValueError):
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino] if found else []
