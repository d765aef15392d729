"""What is searched of each optimizer, and between which values. Torch-free.

A range is found by the hyper-parameter's name, around the value that the search begins
with or between fixed ends, and cut to what the optimizer allows. So an optimizer that
is new in the catalogue can be tuned at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainers.catalogue import optimizer_spec
from trainers.hyperparameters import HyperParameter

Value = float | int | bool | str
MOST = 4  # hyper-parameters at a time: a few dozen trials say little of more


@dataclass(frozen=True, kw_only=True)
class Range:
    """Between which values a hyper-parameter is searched.

    Args:
        low: Lower end.
        high: Upper end.
        relative: Whether the ends are factors of the value that the search begins with.
        log: Whether equal ratios, and not equal differences, are equally likely.
    """

    low: float
    high: float
    relative: bool = False
    log: bool = True


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A hyper-parameter that a stage searches.

    Args:
        name: Of the hyper-parameter.
        low: Smallest value.
        high: Largest value.
        log: Whether it is searched by ratios.
        whole: Whether its values are whole numbers.
        choices: The only values, instead of the two ends.
    """

    name: str
    low: float
    high: float
    log: bool = True
    whole: bool = False
    choices: tuple[float | int, ...] = ()

    def has(self, value: object) -> bool:
        """Whether a value is among those searched."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return value in self.choices if self.choices else self.low <= value <= self.high


_AROUND = Range(low=1 / 30, high=30, relative=True)
_NEAR = Range(low=1 / 10, high=10, relative=True)

# What matters most first.
RANGES: Mapping[str, Range] = {
    "lr": _AROUND,
    "initial_curvature": _NEAR,
    "damping": _NEAR,
    "prior_precision": Range(low=1 / 100, high=100, relative=True),
    "temperature": Range(low=1e-2, high=1.0),
    "rate": Range(low=0.05, high=0.5, log=False),
    "momentum": Range(low=0.5, high=0.99, log=False),
    "weight_decay": Range(low=1e-6, high=1e-1),
}

# Where fewer are worth it.
SEARCHED: Mapping[str, tuple[str, ...]] = {
    "kfac": ("lr", "damping"),
    "sp_ngd": ("lr", "damping"),
    # Its prior precision is the one of the largest marginal likelihood by default.
    "laplace": ("lr", "temperature", "weight_decay"),
}


def searched_names(optimizer: str) -> tuple[str, ...]:
    """The hyper-parameters of an optimizer that are worth a search, at most `MOST`."""
    if optimizer in SEARCHED:
        return SEARCHED[optimizer]
    own = optimizer_spec(optimizer).defaults()
    return tuple(name for name in RANGES if name in own)[:MOST]


def space(
    optimizer: str,
    names: Sequence[str],
    start: Mapping[str, Value],
    ranges: Mapping[str, Range] = RANGES,
) -> tuple[Dimension, ...]:
    """What a stage searches.

    Args:
        optimizer: Its name.
        names: Hyper-parameters that are searched, where the optimizer has them.
        start: The values that the search begins with, numbers instead of "auto".
        ranges: By name.

    Returns:
        A dimension each; without those that have no value to begin with.
    """
    items = {item.name: item for item in optimizer_spec(optimizer).hyperparameters}
    made = (
        dimension(items[name], ranges[name], start.get(name))
        for name in names
        if name in items
    )
    return tuple(each for each in made if each is not None)


def dimension(
    item: HyperParameter, around: Range, start: Value | None
) -> Dimension | None:
    """A range in numbers, which holds the value to begin with.

    Args:
        item: The hyper-parameter.
        around: Its range.
        start: The value to begin with.

    Returns:
        The dimension; None if the value to begin with is no number, or is 0 where
        ratios are searched: it would never be tried.
    """
    if isinstance(start, bool) or not isinstance(start, int | float):
        return None
    ratios = around.log or around.relative
    if start < 0 or (ratios and start == 0):
        return None
    factor = start if around.relative else 1.0
    low, high = _allowed(item, around.low * factor, around.high * factor)
    low, high = min(low, start), max(high, start)
    whole = item.kind == "int"
    return Dimension(name=item.name, low=low, high=high, log=around.log, whole=whole)


def _allowed(item: HyperParameter, low: float, high: float) -> tuple[float, float]:
    """The part of a range that the hyper-parameter allows, clear of an open end."""
    low, high = max(low, item.minimum), min(high, item.maximum)
    if item.open_minimum and low <= item.minimum:
        low = item.minimum + 1e-3 * (high - item.minimum)
    if item.open_maximum and high >= item.maximum:
        high = item.maximum - 1e-3 * (item.maximum - low)
    return low, high
