"""Judge predictions of any framework, from files.

`report` writes a calibration report (HTML, PDF, JSON, CSV, Markdown) from the arrays
`probabilities` and `labels` of an .npz file; `measure` prints the numbers alone. What
else a file may hold: `python -m calibration arrays`.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from calibration.definitions import MEASURES
from calibration.estimate import Estimate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = build_parser().parse_args(arguments)
    with suppress(ValueError):  # not the main thread: signals are not ours
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(options.command(options))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _terminate(number: int, _: FrameType | None) -> None:
    # As an exception it passes through everything that cleans up behind itself.
    raise SystemExit(128 + number)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m calibration", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="write a report from predictions")
    report.add_argument("files", nargs="+", metavar="PREDICTIONS", type=Path)
    report.add_argument(
        "--name",
        action="append",
        metavar="NAME",
        dest="names",
        help="what to call a model, once a file; default: the file",
    )
    report.add_argument(
        "--output",
        type=Path,
        default=Path("report"),
        metavar="FOLDER",
        help="where to; default: report",
    )
    report.add_argument("--title", default="", help="the report's heading")
    report.add_argument(
        "--bins",
        type=int,
        default=15,
        metavar="NUMBER",
        help="bins of calibration errors and diagrams (15)",
    )
    report.add_argument(
        "--near",
        action="append",
        default=[],
        metavar="SET",
        help="out-of-distribution sets that resemble the data",
    )
    report.add_argument(
        "--far", action="append", default=[], metavar="SET", help="those that do not"
    )
    report.add_argument(
        "--no-pdf", action="store_true", help="leave out the PDF, which takes seconds"
    )
    report.set_defaults(command=_report)
    measure = commands.add_parser("measure", help="print the numbers")
    measure.add_argument("file", metavar="PREDICTIONS", type=Path)
    measure.add_argument("--bins", type=int, default=15, metavar="NUMBER")
    measure.set_defaults(command=_measure)
    arrays = commands.add_parser("arrays", help="what a file of predictions may hold")
    arrays.set_defaults(command=_arrays)
    return parser  # fmt: skip


def _report(options: argparse.Namespace) -> int:
    from calibration.report import build_report, read_predictions, write_report

    names = options.names or [""] * len(options.files)
    if len(names) != len(options.files):
        raise ValueError(
            f"--name must be given once for each of {len(options.files)} files, "
            f"got {len(names)}."
        )
    models = [
        read_predictions(path, name, near=tuple(options.near), far=tuple(options.far))
        for path, name in zip(options.files, names, strict=True)
    ]
    report = build_report(models, options.title, options.bins)
    for path in write_report(report, options.output, not options.no_pdf, say=print):
        print(path)
    return 0


def _measure(options: argparse.Namespace) -> int:
    from calibration.measures import measure
    from calibration.report import read_predictions

    predictions = read_predictions(options.file)
    found = measure(predictions.probabilities, predictions.labels, options.bins)
    titles = {name: MEASURES[name].title for name in found}
    width = max(map(len, titles.values()))
    print(f"{'':{width}}{'value':>10}   95 % interval")
    for name, estimate in found.items():
        print(f"{titles[name]:{width}}{_numbers(estimate)}")
    print(f"{len(predictions.labels):,} examples.")
    return 0


def _numbers(estimate: Estimate) -> str:
    ends = f"{estimate.low:.4f} to {estimate.high:.4f}"
    return f"{estimate:>10.4f}   {ends}  ({estimate.method})"


def _arrays(_: argparse.Namespace) -> int:
    from calibration.report import reading

    print(reading.__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
