"""Train a study here, run after run, or draw the picture of runs that are there.

`study cold_posterior --dataset digits --model mlp --optimizer vogn` trains the study's
sweep in this process. The same command again goes on where it was stopped: runs of the
group that finished are not repeated. `study --of GROUP` draws the picture of any group
whose runs differ in a number. The last line on stdout is the folder of the picture.
"""

import argparse
import json
import re
from argparse import Namespace
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainers.commands.study_training import (
    STOPPED_CODE,
    held,
    members,
    train_missing,
)
from trainers.commands.tables import table
from trainers.config import RunConfig
from trainers.flags import add_config_flag, add_setting_flags, configs_from_options
from trainers.jobs.launcher import MAX_GROUP, checked_group
from trainers.runs import Run, RunError
from trainers.studies import STUDIES, Study, find_study, study_configs
from trainers.sweep import GRID

if TYPE_CHECKING:
    from trainers.against import Line

HELP = "train a study of the temperature or the prior, and draw its picture"
FOLDER = Path("studies")
NAMES = ", ".join(STUDIES)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `study`."""
    parser.add_argument("study", nargs="?", metavar="STUDY", help=NAMES)
    parser.add_argument("--of", metavar="GROUP", help="draw these runs, train none")
    parser.add_argument(
        "--against", metavar="SETTING", help="with --of: the setting to draw against"
    )
    parser.add_argument(
        "--group", metavar="NAME", help="of the runs; default: named by the settings"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help=f"default {FOLDER}/GROUP"
    )
    add_config_flag(parser)
    add_setting_flags(parser, nargs="+")


def run(options: Namespace) -> int:
    """Train what is missing, and draw the picture."""
    from trainers import jobs

    study = find_study(options.study) if options.study else None
    engine = jobs.engine()
    if options.of is not None:
        group = checked_group(options.of)
        there = [*members(engine, group)]
        if not there:
            raise RunError(f"There is no group {group!r} of runs.")
        return _draw(there, group, study, options)
    if study is None:
        raise ValueError(f"study must be one of {NAMES}, got nothing; or give --of.")
    configs, axes = study_runs(options, study)
    _check_alone(configs)
    group = checked_group(options.group or default_group(study, configs))
    with held(engine, group):
        runs, finished = train_missing(engine, group, configs, axes)
    if not finished:
        print("Stopped. The same command goes on where it ended.")
        return STOPPED_CODE
    return _draw(runs, group, study, options)


def study_runs(
    options: Namespace, study: Study, mode: str = GRID
) -> tuple[list[RunConfig], list[str]]:
    """The runs of a study that flags describe.

    Args:
        options: What a parser with `add_setting_flags(nargs="+")` returned; values
            given for the study's setting, or as seeds, take the place of its own.
        study: The study.
        mode: How several values of other settings are combined.

    Returns:
        The configurations, and the names of the settings in which they differ.

    Raises:
        ValueError: If a needed flag is missing, or a value is not allowed.
    """
    typed = getattr(options, study.axis)
    seeds = options.seed or [str(seed) for seed in study.seeds]
    rest = Namespace(**{**vars(options), study.axis: None, "seed": seeds})
    bases, several = configs_from_options(rest, mode)
    return study_configs(study, bases, typed), [*several, study.axis]


def default_group(study: Study, configs: Sequence[RunConfig]) -> str:
    """A name that is the same for the same command, so that it can go on.

    More seeds, or other values of the study's setting, join the group; runs that differ
    in anything else have one of their own, which its last part tells apart.
    """
    first = configs[0]
    names = [study.name, first.dataset.name, first.model.name]
    names += dict.fromkeys(config.optimizer.name for config in configs)
    told = "-".join(name.replace("_", "-").replace(":", "-") for name in names)
    rest = sorted({_without(config, study.axis) for config in configs})
    mark = sha256(json.dumps(rest).encode()).hexdigest()[:6]
    return f"{told[: MAX_GROUP - len(mark) - 1]}-{mark}"


def _without(config: RunConfig, axis: str) -> str:
    """A configuration but for its seed and the study's setting."""
    content: dict[str, Any] = config.to_dict()
    content["training"].pop("seed")
    content["optimizer"]["hyperparameters"].pop(axis, None)
    return json.dumps(content, sort_keys=True)


def _check_alone(configs: Sequence[RunConfig]) -> None:
    most = max(config.training.num_processes for config in configs)
    if most > 1:
        raise ValueError(
            "num_processes must be 1 for runs that are trained here, got "
            f"{most}; queue them with: python -m trainers submit --study."
        )


def _draw(
    runs: Sequence[Run], group: str, study: Study | None, options: Namespace
) -> int:
    """Print and write what the evaluated ones of some runs come to."""
    from trainers.against import MEASURES, lines, measured
    from trainers.studies import study_of
    from trainers.study_files import write_study
    from trainers.study_findings import sentences

    found = [each for each in map(measured, runs) if each is not None]
    if not found:
        raise RunError(f"No run of group {group!r} was evaluated yet.")
    axis = chosen_axis([each.config for each in found], study, options.against)
    study = study or study_of(axis)
    drawn = [each for each in lines(found, axis) if each.places]
    title = f"{study.title} of {group}" if study else f"{group} against {axis}"
    folder = (options.output or FOLDER / re.sub(r"[^\w.+-]", "_", group)).absolute()
    subtitle = f"{len(found)} of {len(runs)} runs evaluated"
    paths = write_study(folder, title, subtitle, drawn, axis, study)
    print(f"\n{_table(drawn, axis)}\n")
    print(*sentences(study, drawn, axis, MEASURES), sep="\n")
    print(*paths, folder, sep="\n")
    return 0 if len(found) == len(runs) else 1


def chosen_axis(
    configs: Sequence[RunConfig], study: Study | None, wanted: str | None
) -> str:
    """The setting to draw against.

    Args:
        configs: Of the runs.
        study: A study, whose setting is the one; None for none.
        wanted: The setting that somebody named, None for nobody.

    Raises:
        ValueError: If the runs do not differ in it, or in none or several numbers.
    """
    from trainers.against import axes_of

    axes = axes_of(configs)
    known = ", ".join(axes) or "there is none"
    name = study.axis if study is not None else wanted
    if name is not None:
        if name not in axes:
            raise ValueError(
                f"against must be a number in which the runs differ ({known}), got "
                f"{name!r}."
            )
        return name
    if len(axes) != 1:
        raise ValueError(f"--against must be given, one of: {known}.")
    return axes[0]


def _table(drawn: "Sequence[Line]", axis: str) -> str:
    from trainers.study_picture import numbers

    content = numbers(drawn, axis)
    titles = [column.text for column in content.columns]
    rows = [
        [cell.text + (" *" if cell.strong else "") for cell in row]
        for row in content.rows
    ]
    return table(titles, rows) + "\n* best mean of its line"
