"""How a measure is written: its name, its number, its interval, and what is better."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calibration.definitions import HIGHER, LOWER, Definition
from calibration.intervals import Estimate
from calibration.report.document import Cell, Column
from calibration.report.formats import MISSING, rounded, words

HEADLINES = ("accuracy", "nll", "brier", "ece")
ARROWS = {LOWER: "↓ lower is better", HIGHER: "↑ higher is better"}
SHORT = {
    "nll": "NLL", "ece": "ECE", "brier": "Brier", "fpr95": "FPR95", "accuracy":
    "Accuracy", "aupr_in": "AUPR-in", "aupr_out": "AUPR-out", "auroc": "AUROC",
}  # fmt: skip
# A few per cent at most in models of any use: one decimal would hide differences.
_SMALL = ("ece", "_ce", "mce", "aurc", "augrc", "overconfidence", "calibration_error")


@dataclass(frozen=True)
class Measures:
    """The catalogue of measures, asked for text.

    Args:
        definitions: Each measure's definition by its name.
    """

    definitions: Mapping[str, Definition]

    def title(self, name: str) -> str:
        """The measure's name on a page."""
        known = self.definitions.get(name)
        return known.title if known else words(name)

    def short(self, name: str) -> str:
        """The same for the head of a narrow column."""
        return SHORT.get(name) or self.title(name)

    def better(self, name: str) -> str:
        """Which way is better, "lower", "higher", or "" for neither."""
        known = self.definitions.get(name)
        return known.better if known else ""

    def arrow(self, name: str) -> str:
        """The same for a reader, `↓ lower is better`."""
        return ARROWS.get(self.better(name), "")

    def percent(self, name: str) -> bool:
        """Whether the measure is read as per cent."""
        known = self.definitions.get(name)
        return known.percent if known else False

    def value(self, name: str, value: float) -> str:
        """A value with its unit."""
        scale, digits = self._scale(name)
        return f"{rounded(scale * value, digits)}{' %' if scale > 1 else ''}"

    def interval(self, name: str, estimate: Estimate) -> str:
        """The ends of the 95 % interval, `0.236 to 0.252`; the unit is the value's."""
        scale, digits = self._scale(name)
        ends = (scale * estimate.low, scale * estimate.high)
        return " to ".join(rounded(end, digits) for end in ends)

    def cell(self, name: str, estimate: Estimate | None, strong: bool = False) -> Cell:
        """A value with its interval behind it."""
        if estimate is None:
            return Cell(text=MISSING)
        detail = f"({self.interval(name, estimate)})"
        return Cell(text=self.value(name, estimate), detail=detail, strong=strong)

    def cells(
        self,
        name: str,
        found: Iterable[Estimate | None],
        everyone: Iterable[Estimate | None],
    ) -> list[Cell]:
        """A cell for each value found; the best of everyone's stands out."""
        best = self.best(name, everyone)
        return [
            self.cell(name, value, strong=best is not None and value == best)
            for value in found
        ]

    def change(self, name: str, estimate: Estimate) -> Cell:
        """A difference with its sign and its interval."""
        scale, digits = self._scale(name)
        ends = (scale * float(estimate), scale * estimate.low, scale * estimate.high)
        value, low, high = (f"{end:+.{digits}f}" for end in ends)
        unit = " points" if scale > 1 else ""
        return Cell(text=f"{value}{unit}", detail=f"({low} to {high})")

    def column(self, name: str) -> Column:
        """The head of the measure's column."""
        return Column(text=self.short(name), note=self.arrow(name))

    def best(self, name: str, values: Iterable[float | None]) -> float | None:
        """The best of several values; None where none is, or several are the same."""
        present = [float(value) for value in values if value is not None]
        if len(present) < 2 or not self.better(name):
            return None
        chosen = (min if self.better(name) == LOWER else max)(present)
        return chosen if present.count(chosen) == 1 else None

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Names in the order of the catalogue, unknown ones last."""
        known = list(self.definitions)
        found = list(dict.fromkeys(names))
        place = {name: known.index(name) for name in found if name in known}
        return sorted(found, key=lambda name: place.get(name, len(known)))

    def _scale(self, name: str) -> tuple[int, int]:
        """What a value is multiplied by, and how many decimals it has then."""
        if not self.percent(name):
            return 1, 4 if name in {"nll", "brier"} else 3
        small = any(part in name for part in _SMALL)
        return 100, 2 if small else 1
