"""Search for hyper-parameters on the validation split: for VOGN by its authors' recipe.

First AdamW says what to reach; then OGN, which is VOGN without noise, is matched to it;
then the noise is switched on; then prior, temperature and damping are searched. Any
other optimizer is searched at once. Successive halving ends the worse trials early; a
hyper-parameter that is given is not searched. The study's folder holds all trials, a
picture of them, and best.json to launch.
"""

import argparse
import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from data import DatasetError
from trainers.commands.tables import table
from trainers.flags import (
    add_config_flag,
    add_setting_flags,
    config_from_options,
    flag,
    given_settings,
)
from trainers.runs import RunError
from trainers.saved import checked_name, find_saved, save_config
from trainers.status import ON_REQUEST
from trainers.stopping import StopSignal
from trainers.tuning.asked import Asked
from trainers.tuning.outcome import COLUMNS, best_config, rows
from trainers.tuning.search import require_optuna
from trainers.tuning.stages import BY_SEARCH, PRIORS
from trainers.tuning.study import (
    FINISHED,
    Study,
    find_study,
    load_asked,
    new_study,
)

if TYPE_CHECKING:
    from trainers.tuning.tuner import Tuned

HELP = "search for hyper-parameters, VOGN's by its authors' recipe"
STOPPED_CODE = 130  # as of a shell command that SIGINT ended
NUM_SAMPLES = 16
# What may stand beside --resume; all else is what the study was begun with.
BESIDE = {"resume", "timeout", "save", "command"}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tune`."""
    add_config_flag(parser)
    parser.add_argument("--trials", metavar="N", help="most trials a stage, default 20")
    parser.add_argument(
        "--min-epochs", metavar="N", help="epochs of every trial, default 1"
    )
    parser.add_argument(
        "--factor", metavar="N",
        help="of the trials at a rung one in so many goes on, default 3",
    )  # fmt: skip
    parser.add_argument(
        "--prior", choices=PRIORS,
        help="whether prior_precision is searched (the default), or follows the ELBO "
        "in training",
    )  # fmt: skip
    parser.add_argument("--study-dir", metavar="PATH", help="the study's new folder")
    parser.add_argument(
        "--resume", metavar="STUDY", help="go on with a study: id or path"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", help="stop after so long, to be gone on with"
    )
    parser.add_argument(
        "--save", metavar="NAME", help="also save the best configuration by this name"
    )
    add_setting_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Search, and tell what was found."""
    require_optuna()
    name = None if options.save is None else _free_name(options.save)
    timeout = _seconds(options.timeout)
    study = _resumed(options) if options.resume is not None else _begun(options)
    print(f"Study {study.path}", flush=True)
    tuned: Tuned | None = None
    with StopSignal() as stop:
        with suppress(KeyboardInterrupt), stop.deferred():
            from trainers.tuning.tuner import tune  # torch takes seconds

            try:
                tuned = tune(study, stop, _say, timeout)
            except DatasetError as error:
                raise RunError(str(error)) from None
        stop.settle()
        return _told(study, tuned, name, bool(stop.requested))


def _say(text: str) -> None:
    print(text, flush=True)


def _resumed(options: argparse.Namespace) -> Study:
    given = {name for name, value in vars(options).items() if value is not None}
    others = ", ".join(map(flag, sorted(given - BESIDE)))
    if others:
        raise ValueError(
            "--resume must stand alone but for --timeout and --save, since a study "
            f"keeps what it was begun with, got also {others}."
        )
    return find_study(options.resume)


def _begun(options: argparse.Namespace) -> Study:
    if options.optimizer is None and options.config is None and options.recipe is None:
        options.optimizer = "vogn"
    path = Path(options.study_dir) if options.study_dir else None
    return new_study(asked_from(options), path)


def asked_from(options: argparse.Namespace) -> Asked:
    """What the flags ask for.

    Args:
        options: What the parser of `tune` returned.

    Raises:
        ValueError: If a needed flag is missing or a value is not allowed.
    """
    config = config_from_options(options)
    given = given_settings(options)
    own = config.optimizer.hyperparameters
    chosen = tuple(name for name in given if name in own)
    samples = NUM_SAMPLES
    if "validation_samples" in given:
        samples = config.evaluation.validation_samples
    return Asked(
        config=config, given=chosen, num_samples=samples,
        num_trials=_count("trials", options.trials, 20),
        min_epochs=_count("min_epochs", options.min_epochs, 1),
        factor=_count("factor", options.factor, 3),
        prior=options.prior or BY_SEARCH,
    )  # fmt: skip


def _count(name: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, got {text!r}.") from None


def _seconds(text: str | None) -> float:
    if text is None:
        return math.inf
    with suppress(ValueError):
        if (seconds := float(text)) > 0:
            return seconds
    raise ValueError(f"timeout must be a number > 0, got {text!r}.")


def _free_name(name: str) -> str:
    """A name that can be saved by; better told before the search than after it."""
    if find_saved(checked_name(name)) is not None:
        raise RunError(f"There is a configuration {checked_name(name)!r} already.")
    return checked_name(name)


def _told(study: Study, tuned: "Tuned | None", name: str | None, asked: bool) -> int:
    """Print what was found and how to go on; returns the exit code."""
    if tuned is not None:
        found = rows(tuned.played)
        if found:
            print(table(COLUMNS, found))
        config = best_config(load_asked(study), tuned.played)
        if config is not None:
            if name is not None:
                save_config(name, config)
            print(f"Launch the best: python -m trainers run --config {study.best}")
    finished = tuned is not None and tuned.state == FINISHED
    if not finished:
        reason = tuned.message if tuned is not None else ON_REQUEST
        print(f"{reason} Go on with: python -m trainers tune --resume {study.path}")
    print(study.path)
    return STOPPED_CODE if asked and not finished else 0
