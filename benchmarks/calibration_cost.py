"""What measuring costs: each measure of `calibration` beside the library that has it.

A million predictions of ten classes in float32 (100,000 with --quick), all on one
thread and in the same process. Every repeat measures everything once, in an order of
its own; figures are medians of repeats, after one that only warms up. Our seconds
include the 95 % interval and the check of every row; a peer gives the number alone.
"ratio" is our time by the peer's, below 1 where we are faster. "difference" is how far
the two numbers are apart, and "DIFFERS" says that it is more than rounding in single
precision explains. Measures that no peer has stand alone.

A fit of a recalibration is timed with its data; conformal sets with fit, and prediction
of all examples. Uncertainty is that of four samples, draws are 16 a target. Detectors
on features depend on their width, segmentation on the images: neither has a row.

    python benchmarks/calibration_cost.py [--quick] [--only NAME...] [--json PATH]
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and torch read it

import torch
from threadpoolctl import threadpool_limits

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.measures import OURS, Number, Predictions
from benchmarks.peers.measures import PEERS

PACKAGES = ("numpy", "scipy", "scikit-learn", "torchmetrics")
TOLERANCE = 5e-5  # of sums over a bin in single precision, which some peers take
# scikit-learn looks for the least loss in single precision, which is flat around it.
TOLERANCES = {"temperature": 5e-4}
OWN, PEER = "own", "peer"
Row = dict[str, Any]
Key = tuple[str, str]  # name of a measure, and whose


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        num_examples: Predictions.
        repeats: Timings of each measure, at least 1.
    """

    num_examples: int
    repeats: int


FULL, QUICK = Effort(1_000_000, 5), Effort(100_000, 3)


def measure(names: Sequence[str], effort: Effort) -> list[Row]:
    """Rows of the table.

    Args:
        names: Of measures.
        effort: How much to measure.

    Returns:
        A row for each measure.
    """
    predictions = Predictions(effort.num_examples)
    runs: dict[Key, Number] = {(name, OWN): OURS[name] for name in names}
    runs |= {(name, PEER): PEERS[name].run for name in names if name in PEERS}
    with threadpool_limits(1), one_thread_of_torch():
        values = first_values(runs, predictions)
        seconds = time_in_turns({key: runs[key] for key in values}, predictions, effort)
    return [row(name, values, seconds, effort.num_examples) for name in names]


@contextmanager
def one_thread_of_torch() -> Iterator[None]:
    """Let torch have one thread for a while."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def first_values(runs: dict[Key, Number], predictions: Predictions) -> dict[Key, float]:
    """Numbers of all who can give one; a library that is not installed cannot."""
    values = {}
    for key, run in runs.items():
        try:
            values[key] = float(run(predictions))
        except ImportError:
            if key[1] == OWN:
                raise
    return values


def time_in_turns(
    runs: dict[Key, Number], predictions: Predictions, effort: Effort
) -> dict[Key, list[float]]:
    """Seconds of each repeat: all run once in each, in random order."""
    seconds: dict[Key, list[float]] = {key: [] for key in runs}
    generator = random.Random(0)
    for _ in range(effort.repeats):
        for key in generator.sample(list(runs), len(runs)):
            start = time.perf_counter()
            runs[key](predictions)
            seconds[key].append(time.perf_counter() - start)
    return seconds


def row(
    name: str,
    values: dict[Key, float],
    seconds: dict[Key, list[float]],
    num_examples: int,
) -> Row:
    """Row of a measure; figures of a peer are None where there is none."""
    own, peer = (name, OWN), (name, PEER)
    found: Row = {
        "measure": name,
        "num_examples": num_examples,
        "value": values[own],
        "seconds": statistics.median(seconds[own]),
        "seconds_low": min(seconds[own]),
        "seconds_high": max(seconds[own]),
    }
    figures = ("peer", "peer_seconds", "ratio", "difference", "agrees")
    if peer not in values:
        return found | dict.fromkeys(figures)
    peer_seconds = statistics.median(seconds[peer])
    difference = abs(values[own] - values[peer])
    agrees = bool(difference <= TOLERANCES.get(name, TOLERANCE))
    ratio = found["seconds"] / peer_seconds
    given = (PEERS[name].library, peer_seconds, ratio, difference, agrees)
    return found | dict(zip(figures, given, strict=True))


def table_line(row: Row) -> str:
    """A row as text."""
    spread = f"{row['seconds_low']:.3f}-{row['seconds_high']:.3f}"
    start = (
        f"{row['measure']:>20} {row['value']:9.5f} {row['seconds']:8.3f} {spread:>13}"
    )
    if row["peer"] is None:
        return start
    note = "" if row["agrees"] else "  DIFFERS"
    return (
        f"{start} {row['peer_seconds']:8.3f} {row['ratio']:6.2f} "
        f"{row['difference']:10.1e}  {row['peer']}{note}"
    )


def versions() -> str:
    """The libraries' versions in a line, or that one is missing."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer examples, repeats")
    parser.add_argument("--only", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    with one_thread_of_torch():
        print(machine())
    print(f"{versions()}, {effort.num_examples:,} examples, {effort.repeats} repeats")
    print(
        f"{'measure':>20} {'value':>9} {'seconds':>8} {'spread':>13} {'peer s':>8} "
        f"{'ratio':>6} {'difference':>10}  peer"
    )
    rows = measure(options.only, effort)
    for each in rows:
        print(table_line(each))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
