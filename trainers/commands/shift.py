"""Corrupt a finished run's test images, and see what becomes of its predictions.

The predictions go to shift.npz in the run's folder, whose path is the last line on
stdout.
"""

import argparse
from typing import TYPE_CHECKING

from data.corruptions import CORRUPTIONS
from trainers.commands.tables import table
from trainers.runs import find_here
from trainers.stopping import StopSignal

if TYPE_CHECKING:
    from calibration.shift import SeverityRow, Spread

HELP = "judge a finished run on corrupted test images"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `shift`."""
    parser.add_argument("run", metavar="RUN", help="id or path")
    parser.add_argument(
        "--examples", type=int, default=1000, metavar="M",
        help="test images, chosen at random (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=int, default=8, metavar="S",
        help="draws from the posterior, if there is one (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--kinds", nargs="+", default=list(CORRUPTIONS), metavar="KIND",
        help=f"some of {', '.join(CORRUPTIONS)} (default: all)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Predict, and print the means over kinds."""
    found = find_here(options.run)
    with StopSignal() as stop:
        with stop.deferred():  # a half-imported torch raises anything
            from trainers.shift import predict_shift
        rows = predict_shift(found, options.examples, options.samples, options.kinds)
    from calibration.shift import shift_summary

    print(_lines(shift_summary(rows)))
    print(found.shift)
    return 0


def _lines(summary: "list[SeverityRow]") -> str:
    titles = ("severity", "kinds", "accuracy", "NLL", "ECE")
    rows = [
        (
            str(row.severity) if row.severity else "clean",
            str(row.num_kinds) if row.severity else "",
            *(_cell(spread) for spread in (row.accuracy, row.nll, row.ece)),
        )
        for row in summary
    ]
    return table(titles, rows) + "\nMean over kinds, and the smallest to the largest."


def _cell(spread: "Spread") -> str:
    if spread.smallest == spread.largest:
        return f"{spread.mean:.4f}"
    return f"{spread.mean:.4f} ({spread.smallest:.4f} to {spread.largest:.4f})"
