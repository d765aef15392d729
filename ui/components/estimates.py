"""Estimates in tables of the pages: the number, and its interval in small print."""

from calibration import MEASURES, Estimate
from calibration.report import written

NOTHING = r"\-"  # a bare hyphen would begin a list
ABBREVIATED = {
    "ece": "ECE", "adaptive_ece": "Adaptive ECE", "classwise_ece": "Class-wise ECE",
    "mce": "MCE", "nll": "NLL", "brier": "Brier score", "auroc": "AUROC",
}  # fmt: skip


def told(name: str, estimate: Estimate | None) -> str:
    """A measure with its unit and 95 % interval, in Markdown.

    Args:
        name: Of `calibration.MEASURES`.
        estimate: What was measured; None for nothing.
    """
    if estimate is None:
        return NOTHING
    ends = written.interval(name, estimate)
    return f"{written.value(name, estimate)} :small[({ends})]"


def share(estimate: Estimate | None) -> str:
    """A share that is no measure of the catalogue, likewise."""
    if estimate is None:
        return NOTHING
    found = written.percent_cell(estimate)
    return f"{found.text} :small[{found.detail}]"


def change(name: str, estimate: Estimate | None) -> str:
    """A difference of two such numbers with its sign, likewise."""
    if estimate is None:
        return NOTHING
    found = written.change(name, estimate)
    return f"{found.text} :small[{found.detail}]"


def label(name: str) -> str:
    """The name of a measure for the head of a row, with the way that is better."""
    arrow = {"lower": " ↓", "higher": " ↑"}.get(MEASURES[name].better, "")
    return ABBREVIATED.get(name, MEASURES[name].title) + arrow
