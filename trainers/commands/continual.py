"""Learn tasks one after another, and see what is left of the earlier ones.

VOGN, for which the posterior of a task is the prior of the next, beside EWC, plain
AdamW, and joint training on all tasks so far, which shows what there is to be had. Each
task shows the same images with their pixels in another order. Ctrl-C and SIGTERM
keep the tasks that were learned; `--resume` goes on. The last line on stdout is the
run's folder, with continual.json, continual.png and continual.html in it.
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainers.commands.tables import table
from trainers.continual.findings import columns, final_rows, verdict
from trainers.continual.record import is_continual, new_continual_run, read_record
from trainers.continual.settings import DEFAULTS, METHODS, QUICK
from trainers.jobs.launcher import code_version
from trainers.runs import Run, RunError, find_here
from trainers.status import (
    ENDED,
    FINISHED,
    ON_REQUEST,
    STOPPED,
    Status,
    begin_status,
    check_resumable,
    end_status,
    observed,
    read_status,
)
from trainers.stopping import StopSignal

HELP = "learn tasks one after another, and see what is forgotten"
# Flags that are settings by their own name; their defaults depend on --quick.
_NUMBERS = {
    "tasks": (int, "number of tasks"),
    "epochs": (int, "passes over each task's images"),
    "seed": (int, "of pixel orders, initial weights, batches and noise"),
    "batch_size": (int, "images a step"),
    "num_train": (int, "training images of each task; 0 for all"),
    "lr": (float, "learning rate of AdamW, alone and in joint training"),
    "ewc_lr": (float, "learning rate of AdamW in EWC"),
    "ewc_strength": (float, "weight of EWC's penalty"),
    "prior_strength": (float, "times a learned task counts in VOGN's prior"),
}
STOPPED_CODE = 130  # of a shell command that SIGINT ended


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `continual`."""
    parser.add_argument(
        "--quick", action="store_true",
        help="ten tasks in some minutes: a part of the images, few epochs",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", help=f"a set of images (default: {DEFAULTS.dataset})"
    )
    for name, (kind, about) in _NUMBERS.items():
        usual, quick = getattr(DEFAULTS, name), getattr(QUICK, name)
        told = f"{usual:g}" + (f", with --quick {quick:g}" if quick != usual else "")
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, metavar="NUMBER",
            help=f"{about} (default: {told})",
        )  # fmt: skip
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD",
        help=f"some of {', '.join(METHODS)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--hidden", nargs="+", type=int, metavar="UNITS",
        help="units of each hidden layer (default: "
        f"{' '.join(map(str, DEFAULTS.hidden))})",
    )  # fmt: skip
    parser.add_argument(
        "--vogn", nargs="+", metavar="NAME=VALUE",
        help="hyper-parameters of VOGN, such as temperature=0.1",
    )  # fmt: skip
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--validate", action="store_true",
        help="judge on held-out training images, to choose settings by",
    )  # fmt: skip
    parser.add_argument("--run-dir", type=Path, metavar="PATH", help="the new folder")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run: id or path")


def run(options: argparse.Namespace) -> int:
    """Learn, and print the table and the folder."""
    found = _to_resume(options) if options.resume is not None else _begun(options)
    found.stop_request.unlink(missing_ok=True)
    with StopSignal() as stop:
        status = begin_status(found)
        with suppress(KeyboardInterrupt):
            with stop.deferred():  # a half-imported torch raises anything
                from trainers.session import train_run
            status = train_run(found)
        stop.settle()
        if status.state not in ENDED:
            status = _ended(found)
    print(outcome(found, status))
    return {FINISHED: 0, STOPPED: STOPPED_CODE}.get(status.state, 1)


def outcome(found: Run, status: Status) -> str:
    """What is printed of a run at its end.

    Args:
        found: The run.
        status: Its final status.
    """
    record = read_record(found)
    lines = []
    if rows := final_rows(record):
        lines += [table(columns(record), rows), verdict(record)]
    if status.state != FINISHED:
        lines.append(f"{status.state}: {status.message}")
    if status.state == STOPPED:
        lines.append(f"Go on with: python -m trainers continual --resume {found.path}")
    return "\n".join([*filter(None, lines), str(found.path)])


def _begun(options: argparse.Namespace) -> Run:
    """A new run as the flags say."""
    names = [*_NUMBERS, "dataset", "methods", "hidden", "device"]
    given = {n: v for n in names if (v := getattr(options, n)) is not None}
    given |= {"validate": True} if options.validate else {}
    base = QUICK if options.quick else DEFAULTS
    if options.vogn:
        given["vogn"] = {**base.vogn, **hyperparameters(options.vogn)}
    return new_continual_run(replace(base, **given), code_version(), options.run_dir)


def hyperparameters(words: Sequence[str]) -> dict[str, Any]:
    """Values by name from words such as "lr=0.01"; checked by who takes them.

    Raises:
        ValueError: If a word has no equals sign.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not (name and sign and text):
            raise ValueError(f"vogn must be NAME=VALUE, got {word!r}.")
        found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _to_resume(options: argparse.Namespace) -> Run:
    """The run to go on with; it keeps its settings, so no other flag is taken."""
    apart = ("resume", "command")
    given = {n for n, v in vars(options).items() if v is not None and v is not False}
    if others := sorted(given.difference(apart)):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise ValueError(
            "--resume must stand alone, since a run keeps its settings, got also "
            f"{flags}."
        )
    found = find_here(options.resume)
    if not is_continual(found):
        raise RunError(f"run {found.id} must be of tasks, got one without them.")
    try:
        state = observed(found).state
    except RunError:
        return found  # never started: nothing speaks against it
    check_resumable(found, state)
    return found


def _ended(found: Run) -> Status:
    """What an interrupted session wrote at its end, or that it was stopped."""
    status = read_status(found)
    if status.state in ENDED:
        return status
    return end_status(found, status, STOPPED, message=ON_REQUEST)
