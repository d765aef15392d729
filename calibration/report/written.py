"""How a measure is written: its name, its number, its interval, and what is better.

Names are those of `calibration.definitions`; an unknown one, as a report of another
version may hold, is written as it stands.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from statistics import fmean

from calibration.definitions import HIGHER, LOWER, MEASURES
from calibration.estimate import Estimate
from calibration.measures import HEADLINE
from calibration.report import formats
from calibration.report.document import Cell, Column
from calibration.report.formats import MISSING, rounded

# What is compared and tracked: these come first wherever measures are listed.
ARROWS = {LOWER: "↓ lower is better", HIGHER: "↑ higher is better"}
SHORT = {
    "nll": "NLL", "ece": "ECE", "brier": "Brier", "fpr95": "FPR95", "accuracy":
    "Accuracy", "aupr_in": "AUPR-in", "aupr_out": "AUPR-out", "auroc": "AUROC",
}  # fmt: skip
# A few per cent at most in models of any use: one decimal would hide differences.
_SMALL = ("ece", "_ce", "mce", "aurc", "augrc", "overconfidence", "calibration_error")


def title(name: str) -> str:
    """The measure's name on a page."""
    return MEASURES[name].title if name in MEASURES else formats.words(name)


def short(name: str) -> str:
    """The same for the head of a narrow column."""
    return SHORT.get(name) or title(name)


def better(name: str) -> str:
    """Which way is better, "lower", "higher", or "" for neither."""
    return MEASURES[name].better if name in MEASURES else ""


def arrow(name: str) -> str:
    """The same for a reader, `↓ lower is better`."""
    return ARROWS.get(better(name), "")


def is_percent(name: str) -> bool:
    """Whether the measure is read as per cent."""
    return name in MEASURES and MEASURES[name].percent


def value(name: str, number: float) -> str:
    """A value with its unit."""
    digits = _digits(name)
    return (
        formats.percent(number, digits) if is_percent(name) else rounded(number, digits)
    )


def spread(name: str, mean: float, deviation: float) -> str:
    """A mean and its standard deviation with their unit, `91.2 ± 0.2 %`."""
    scale, digits = _scale(name), _digits(name)
    ends = " ± ".join(rounded(scale * each, digits) for each in (mean, deviation))
    return f"{ends} %" if is_percent(name) else ends


def interval(name: str, estimate: Estimate) -> str:
    """The ends of the 95 % interval, `0.236 to 0.252`; the unit is the value's."""
    return _ends(estimate, _scale(name), _digits(name))


def cell(name: str, estimate: Estimate | None, strong: bool = False) -> Cell:
    """A value with its interval behind it."""
    if estimate is None:
        return Cell(text=MISSING)
    detail = f"({interval(name, estimate)})"
    return Cell(text=value(name, estimate), detail=detail, strong=strong)


def range_cell(name: str, numbers: Sequence[float]) -> Cell:
    """The mean of several numbers with the least and the most of them behind it."""
    if not numbers:
        return Cell(text=MISSING)
    ends = (min(numbers), max(numbers))
    told = " to ".join(rounded(_scale(name) * end, _digits(name)) for end in ends)
    return Cell(text=value(name, fmean(numbers)), detail=f"({told})")


def percent_cell(estimate: Estimate | None) -> Cell:
    """A share that is none of the catalogue's measures, with its interval behind it."""
    if estimate is None:
        return Cell(text=MISSING)
    return Cell(text=formats.percent(estimate), detail=f"({_ends(estimate, 100, 1)})")


def cells(
    name: str,
    found: Iterable[Estimate | None],
    everyone: Iterable[Estimate | None],
) -> list[Cell]:
    """A cell for each value found; the best of everyone's stands out."""
    chosen = best(name, everyone)
    return [
        cell(name, each, strong=chosen is not None and each == chosen) for each in found
    ]


def change(name: str, estimate: Estimate) -> Cell:
    """A difference with its sign and its interval, if that ends anywhere."""
    scale, digits = _scale(name), _digits(name)
    unit = " points" if is_percent(name) else ""
    text = f"{formats.signed(scale * float(estimate), digits)}{unit}"
    if not (isfinite(estimate.low) and isfinite(estimate.high)):
        return Cell(text=text, detail="(no interval)")
    ends = scale * estimate.low, scale * estimate.high
    low, high = (formats.signed(end, digits) for end in ends)
    return Cell(text=text, detail=f"({low} to {high})")


def column(name: str) -> Column:
    """The head of the measure's column."""
    return Column(text=short(name), note=arrow(name))


def best(name: str, values: Iterable[float | None]) -> float | None:
    """The best of several values; None where none is, or several are the same."""
    present = [float(each) for each in values if each is not None]
    if len(present) < 2 or not better(name):
        return None
    chosen = (min if better(name) == LOWER else max)(present)
    return chosen if present.count(chosen) == 1 else None


def ordered(names: Iterable[str]) -> list[str]:
    """Names with the headlines first, then as in the catalogue, unknown ones last."""
    order = list(dict.fromkeys([*HEADLINE, *MEASURES]))
    found = dict.fromkeys(names)
    return sorted(found, key=lambda name: order.index(name) if name in order else 999)


def _ends(estimate: Estimate, scale: int, digits: int) -> str:
    ends = (scale * estimate.low, scale * estimate.high)
    return " to ".join(rounded(end, digits) for end in ends)


def _scale(name: str) -> int:
    """What a number is multiplied by to be read."""
    return 100 if is_percent(name) else 1


def _digits(name: str) -> int:
    """How many decimals it has then."""
    if is_percent(name):
        return 2 if any(part in name for part in _SMALL) else 1
    return 4 if name in {"nll", "brier"} else 3
