"""What is searched of each optimizer, and between which values. Torch-free.

A range is found by the hyper-parameter's name, around the value that the search begins
with or between fixed ends, and cut to what the optimizer allows. So an optimizer that
is new in the catalogue can be tuned at once; `SEARCHED` says where others matter more.
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
_WEIGHT = Range(low=1e-6, high=1e-1)
_SHARE = Range(low=0.0, high=0.5, log=False)

RANGES: Mapping[str, Range] = {
    "lr": _AROUND,
    "initial_curvature": _NEAR,
    "hess_init": _NEAR,
    "damping": _NEAR,
    "prior_precision": Range(low=1 / 100, high=100, relative=True),
    "temperature": Range(low=1e-2, high=1.0),
    "weight_decay": _WEIGHT,
    "momentum": Range(low=0.5, high=0.99, log=False),
    "rate": _SHARE,
    "dropout": _SHARE,
}

# Where the first of `RANGES` in the catalogue's order are not what matters most.
SEARCHED: Mapping[str, tuple[str, ...]] = {
    "adamw": ("lr", "weight_decay"),
    "lamb": ("lr", "weight_decay"),
    "sgd": ("lr", "momentum", "weight_decay"),
    "kfac": ("lr", "damping", "weight_decay"),
    "sp_ngd": ("lr", "damping"),
    "noisy_kfac": ("lr", "damping", "prior_precision", "temperature"),
    "ogn": ("lr", "initial_curvature", "damping", "prior_precision"),
}


def searched_names(optimizer: str) -> tuple[str, ...]:
    """The hyper-parameters of an optimizer that are worth a search, at most `MOST`."""
    if optimizer in SEARCHED:
        return SEARCHED[optimizer]
    names = (item.name for item in optimizer_spec(optimizer).hyperparameters)
    return tuple(name for name in names if name in RANGES)[:MOST]


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
        A dimension each; without those that no range can be put around.
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
    """A range in numbers, which holds the value to begin with if it can.

    Args:
        item: The hyper-parameter.
        around: Its range.
        start: The value to begin with; None or "auto" if it is not known.

    Returns:
        The dimension; None if the range is relative to what is no number above 0, or
        nothing of it is allowed.
    """
    known = isinstance(start, int | float) and not isinstance(start, bool)
    number = float(start) if known and start is not None else 0.0
    low, high = around.low, around.high
    if around.relative:
        if number <= 0:
            return None
        low, high = low * number, high * number
    elif known and (number > 0 or not around.log):
        low, high = min(low, number), max(high, number)
    low, high = _allowed(item, low, high)
    if not low < high:
        return None
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
