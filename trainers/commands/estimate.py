"""Say how long a run will take and how much memory, before it is launched.

A few steps are done on random inputs, on the device that is asked for.
"""

import argparse
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from trainers.commands.tables import table
from trainers.config import RunConfig
from trainers.costs import BUSY, Cost, Span
from trainers.ensembles import MEMBERS
from trainers.flags import add_config_flag, add_setting_flags, config_from_options
from trainers.ranks import launcher_is_gone
from trainers.runs import write_atomically
from trainers.stopping import StopSignal, handling
from trainers.uncounted import uncounted

HELP = "measure what a run would take, in time and memory"
LIMIT = 600  # seconds after which a measurement is given up
GIVEN_UP = 124  # exit code, that of the command timeout
WATCH = 1.0  # seconds between two looks at whoever started it


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `estimate`."""
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--output", metavar="FILE", help="write that line to a file")
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S",
        help="for how long steps are measured (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--limit", type=int, default=LIMIT, metavar="S",
        help="give up after so many seconds (default: %(default)s)",
    )  # fmt: skip
    add_config_flag(parser)
    add_setting_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, and print; 1 if it would not fit."""
    for name in ("seconds", "limit"):
        if not 0 < getattr(options, name) <= 86_400:
            raise ValueError(
                f"--{name} must be in (0, 86400], got {getattr(options, name)}."
            )
    config = config_from_options(options)
    with _ending_in_time(options.limit):
        cost = _measured(config, options.seconds)
    if options.output:
        write_atomically(Path(options.output), cost.to_json().encode())
    print(cost.to_json() if options.json else told(config, cost))
    return 0 if cost.fits else 1


def _measured(config: RunConfig, seconds: float) -> Cost:
    with StopSignal() as stop, stop.deferred():  # a half-imported torch raises anything
        from trainers import estimate, memory
    if estimate.is_on_cpu(config):
        memory.limit_memory()
    return estimate.measure(config, seconds)


@contextmanager
def _ending_in_time(seconds: int) -> Iterator[None]:
    """End this process at the latest then, or when whoever needs it is gone."""
    left = [seconds / WATCH]

    def watch(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        left[0] -= 1
        if left[0] <= 0 or launcher_is_gone():
            os._exit(GIVEN_UP)

    with handling([signal.SIGALRM], watch):
        signal.setitimer(signal.ITIMER_REAL, WATCH, WATCH)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def told(config: RunConfig, cost: Cost) -> str:
    """The measurement for people."""
    if cost.problem:
        return cost.problem
    evaluation = cost.evaluation(config)
    members = config.optimizer.hyperparameters.get(MEMBERS, 1)
    networks = f" in each of {members} networks" if members > 1 else ""
    rows = [
        ("parameters", f"{cost.parameters:,}{networks}"),
        ("a step", f"{_milliseconds(cost.step)}, {cost.batch_size} examples"),
        ("an epoch", f"{_span(cost.epoch(config))}, {cost.steps(config):,} steps"),
        ("the run", f"{_span(cost.total(config))}, with {config.training.epochs} "
         f"epochs and {seconds(evaluation.middle)} of evaluation"),
        ("memory", f"{cost.memory / 1e9:.2f} GB of {cost.available / 1e9:.1f} GB free"),
    ]  # fmt: skip
    text = table(("what", "how much"), rows)
    text += f"\nMeasured in {cost.num_steps} steps on {cost.device}."
    if cost.load > BUSY:
        text += " Other programs were busy: alone it is faster."
    if left_out := uncounted(config):
        text += f"\n{left_out}"
    return text if cost.fits else f"{text}\nIt would not fit into the memory."


def _milliseconds(span: Span) -> str:
    low, middle, high = (f"{1000 * each:.3g}" for each in span)
    return f"{middle} ms ({low} to {high})"


def _span(span: Span) -> str:
    return f"{seconds(span.middle)} ({seconds(span.low)} to {seconds(span.high)})"


def seconds(value: float) -> str:
    """A time in the unit that suits it, `90` -> `1.5 min`."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.2g} s"
