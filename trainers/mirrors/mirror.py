"""What a mirror is told of a run, and how rows and files become that."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Scalar = bool | int | float | str
STEP = "step"  # the kind of a row that a training step logged


@dataclass(frozen=True)
class Row:
    """One metric row without what is not finite.

    Args:
        step: Steps done.
        kind: "step", or "epoch" for the row that closes one.
        time: Unix time at which it was logged, not counting pauses of the run. The
            same row has the same time again, so a store may tell that it has it.
        epoch: Epochs done, None if the row has none.
        seconds: Training time so far.
        values: Numbers by name; those of an epoch row begin with "epoch/", since at
            the same step there is a step row with the same names.
    """

    step: int
    kind: str
    time: float
    epoch: float | None
    seconds: float
    values: dict[str, float]

    @property
    def position(self) -> tuple[int, bool]:
        """Place in the order of rows: an epoch row follows the step row."""
        return self.step, self.kind != STEP


@dataclass(frozen=True)
class Beginning:
    """The start of mirroring.

    Args:
        time: Unix time at which the run started.
        parameters: The configuration, flat: "optimizer.hyperparameters.lr".
        known: What an earlier `start` for the same run returned; None at first.
    """

    time: float
    parameters: dict[str, Scalar]
    known: str | None


@dataclass(frozen=True)
class Ending:
    """The end of a run.

    Args:
        state: One of `trainers.status.ENDED`.
        time: Unix time of the end.
        step: The last mirrored step; 0 if there is none.
        message: One sentence for people.
        values: Headline metrics of the evaluation; {} if there is none.
    """

    state: str
    time: float
    step: int
    message: str
    values: dict[str, float]


class Mirror(ABC):
    """A tracker's copy of one run. Each method may raise anything."""

    @abstractmethod
    def start(self, beginning: Beginning) -> str:
        """Begin, or go on with what is known, and return the tracker's run id."""

    @abstractmethod
    def log(self, rows: Sequence[Row]) -> None:
        """Take rows, in their order; on return the tracker has them."""

    @abstractmethod
    def finish(self, ending: Ending) -> None:
        """Take the end of the run."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and processes, started or not, finished or not."""


def row_of(raw: Mapping[str, Any], started: float) -> Row | None:
    """A row of metrics.jsonl as mirrors take it.

    Args:
        raw: The decoded line.
        started: Unix time at which the run started.

    Returns:
        The row; None for one without a step.
    """
    numbers, kind = dict(_numbers(raw)), str(raw.get("kind", STEP))
    step = numbers.pop("step", None)
    if step is None:
        return None
    seconds, epoch = numbers.pop("seconds", 0.0), numbers.pop("epoch", None)
    prefix = "" if kind == STEP else f"{kind}/"
    values = {prefix + name: value for name, value in numbers.items()}
    return Row(int(step), kind, started + seconds, epoch, seconds, values)


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Nested settings as one level with dotted names; what is None is left out."""
    found: dict[str, Scalar] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, bool | int | float | str):
            found[prefix + key] = value
        elif value is not None:
            found[prefix + key] = json.dumps(value)
    return found


def headline(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """The headline numbers of evaluation.json: "test/nll", "ood/digits/auroc"."""
    values = {f"test/{k}": v for k, v in _numbers(evaluation.get("metrics") or {})}
    for name, scores in (evaluation.get("ood") or {}).items():
        values |= {f"ood/{name}/{k}": v for k, v in _numbers(scores)}
    return values


def _numbers(content: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Those entries that are finite numbers."""
    for key, value in content.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and abs(value) <= sys.float_info.max:
            yield key, float(value)
