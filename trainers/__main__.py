"""Command line: `python -m trainers run ...`, `python -m trainers demo`.

`submit`, `queue` and others talk to the job engine; they are in `trainers.commands`.
With `--num-processes N`, or under `torchrun --nproc-per-node N -m trainers run ...`, N
processes train one run: each takes its share of every batch, and the first alone writes
and prints.
Flags come from the configuration's dataclasses and the optimizers' catalogue.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainers.commands import add_commands, continual
from trainers.continual.record import is_continual
from trainers.flags import (
    add_config_flag,
    add_setting_flags,
    config_from_options,
    flag,
)
from trainers.jobs.launcher import code_version
from trainers.jobs.processes import ROLE, run_role
from trainers.ranks import LAUNCHER, Ranks, end_with_launcher, keep_log, launched_ranks
from trainers.runs import Run, RunError, find_here, load_config, new_run, read_json
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

# The exit code of a shell command that SIGINT ended: a stop is no success either.
CODES = {FINISHED: 0, STOPPED: 130}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    try:
        options = build_parser().parse_args(arguments)
        ranks = launched_ranks()
        _set_up_logging(ranks)
        return int(options.command(options, ranks))
    except (ValueError, RunError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before there was anything to end in order
        return CODES[STOPPED]


def _set_up_logging(ranks: Ranks) -> None:
    level = logging.INFO if ranks.is_main else logging.WARNING
    name = "" if ranks.is_main else f"rank {ranks.rank}: "
    logging.basicConfig(level=level, format=f"%(levelname)s: {name}%(message)s")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m trainers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train and evaluate in this terminal")
    _add_run_flags(run)
    run.set_defaults(command=_run)
    train = commands.add_parser("train", help="train an existing run folder")
    train.add_argument("run", help="id or path of the run")
    train.set_defaults(command=_train)
    demo = commands.add_parser("demo", help="VOGN beside AdamW on digits")
    demo.set_defaults(command=_demo)
    add_commands(commands)
    return parser


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    add_config_flag(parser)
    parser.add_argument("--resume", metavar="RUN", help="go on with a run: id or path")
    parser.add_argument("--run-dir", metavar="PATH", help="the run's new folder")
    add_setting_flags(parser)


def _run(options: argparse.Namespace, ranks: Ranks) -> int:
    if not ranks.is_main:
        return _follow(ranks)
    if options.resume is not None:
        given = {name for name, value in vars(options).items() if value is not None}
        others = ", ".join(map(flag, sorted(given - {"resume", "command"})))
        if others:
            raise ValueError(
                "--resume must stand alone, since a run keeps its configuration, got "
                f"also {others}."
            )
        run = find_here(options.resume)
        _check_resumable(run)
    else:
        path = Path(options.run_dir) if options.run_dir else None
        run = new_run(config_from_options(options), code_version(), path)
    run.stop_request.unlink(missing_ok=True)
    if ranks.size == 1:
        num_processes = load_config(run).training.num_processes
        if num_processes > 1:
            return _train_together(run, num_processes)
    return _train_here(run, ranks)


def _check_resumable(run: Run) -> None:
    try:
        state = observed(run).state
    except RunError:
        return  # never started: nothing speaks against it
    check_resumable(run, state)


def _train(options: argparse.Namespace, ranks: Ranks) -> int:
    keep_log(ranks)
    end_with_launcher()
    if not ranks.is_main:
        return _follow(ranks)
    run = find_here(options.run)
    launched = LAUNCHER in os.environ or os.environ.get(ROLE) == run_role(run)
    if not launched:  # who launched it knows that nobody else trains it
        _check_resumable(run)
    return _train_here(run, ranks)


def _follow(ranks: Ranks) -> int:
    """Help rank 0, which tells what to do."""
    # Until torch is loaded there is nothing to end in order.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from trainers.session import follow_run

    return CODES.get(follow_run(ranks), 1)


def _train_here(run: Run, ranks: Ranks) -> int:
    with StopSignal() as stop:
        status = begin_status(run)
        with suppress(KeyboardInterrupt):
            with stop.deferred():  # a half-imported torch raises anything
                from trainers.session import train_run
            status = train_run(run, ranks=ranks)
        stop.settle()  # after a failure the launcher of several ranks ends them all
        if status.state not in ENDED:
            status = _ended(run)
        _print_outcome(run, status)
    return CODES.get(status.state, 1)


def _train_together(run: Run, num_processes: int) -> int:
    """Train in several processes, of which rank 0 prints the outcome if it can."""
    from trainers.launcher import train_together

    with StopSignal() as stop:
        status, told = begin_status(run), False
        with suppress(KeyboardInterrupt):
            status, told = train_together(run, num_processes)
        stop.settle()
        if status.state not in ENDED:
            status = _ended(run)
        if not told:
            _print_outcome(run, status)
    return CODES.get(status.state, 1)


def _ended(run: Run) -> Status:
    """What an interrupted session wrote at its end, or that it was stopped."""
    status = read_status(run)
    if status.state in ENDED:
        return status
    return end_status(run, status, STOPPED, message=ON_REQUEST)


def _print_outcome(run: Run, status: Status) -> None:
    if is_continual(run):
        print(continual.outcome(run, status))
        return
    if status.state == FINISHED:
        content = read_json(run.evaluation)
        print(summary(content))
    else:
        print(f"{status.state}: {status.message}")
        if status.state == STOPPED:
            print(f"Go on with: python -m trainers run --resume {run.path}")
    print(run.path)


def summary(content: dict[str, Any]) -> str:
    """The headline numbers of an evaluation, a line a predictor."""
    lines = []
    samples = content["num_samples"]
    plural = "s" if samples > 1 else ""
    single = samples < 2 and not content["mean"]
    label = "single model" if single else f"{samples} posterior sample{plural}"
    for name, metrics in (
        (label, content["metrics"]),
        ("at the mean", content["mean"]),
    ):
        if metrics:
            lines.append(
                f"{name:>22}: accuracy {metrics['accuracy']:.4f}, "
                f"NLL {metrics['nll']:.4f}, Brier {metrics['brier']:.4f}, "
                f"ECE {metrics['ece']:.4f}"
            )
    for name, scores in content["ood"].items():
        lines.append(
            f"{'OOD ' + name:>22}: AUROC {scores['auroc']:.4f}, "
            f"FPR95 {scores['fpr95']:.4f}"
        )
    return "\n".join(lines)


def _demo(options: argparse.Namespace, ranks: Ranks) -> int:  # noqa: ARG001
    if ranks.size > 1:
        raise ValueError(f"demo must be run by one process, got {ranks.size}.")
    from trainers.demo import demo  # torch loads only when something trains

    return demo()


if __name__ == "__main__":
    sys.exit(main())
