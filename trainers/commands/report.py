"""Write a calibration report of one finished run, or of several side by side.

HTML, PDF, JSON, CSV and a model card; the last line on stdout is the folder. The first
run is what the others are compared with.
"""

import argparse
from pathlib import Path

from trainers.runs import find_here
from trainers.stopping import StopSignal

HELP = "write a calibration report of finished runs"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `report`."""
    # The flags of `python -m calibration report` again: to take them from there would
    # load NumPy and SciPy for every command.
    parser.add_argument("runs", nargs="+", metavar="RUN", help="id or path")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to; default: report, of one run in its folder",
    )
    parser.add_argument("--title", default="", help="the report's heading")
    parser.add_argument(
        "--bins",
        type=int,
        default=15,
        metavar="NUMBER",
        help="bins of calibration errors and diagrams (15)",
    )
    parser.add_argument(
        "--near",
        action="append",
        default=[],
        metavar="SET",
        help="out-of-distribution sets that resemble the data",
    )
    parser.add_argument(
        "--far", action="append", default=[], metavar="SET", help="those that do not"
    )
    parser.add_argument(
        "--no-pdf", action="store_true", help="leave out the PDF, which takes seconds"
    )


def run(options: argparse.Namespace) -> int:
    """Read the runs, measure, and write."""
    # Imported here: every other command does without the libraries of a report.
    from calibration.report import build_report, write_report
    from trainers.report import run_predictions

    runs = list(dict.fromkeys(map(find_here, options.runs)))
    default = runs[0].path / "report" if len(runs) == 1 else Path("report")
    folder = (options.output or default).absolute()
    with StopSignal():  # SIGTERM, too, must end the browser that prints the PDF
        models = run_predictions(runs, options.near, options.far)
        report = build_report(models, options.title, options.bins)
        paths = write_report(report, folder, not options.no_pdf, say=print)
    print(*paths, folder, sep="\n")
    return 0
