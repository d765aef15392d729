"""The flags that describe runs: `--dataset`, `--epochs`, `--lr`, and all the others.

They come from the configuration's dataclasses and the optimizers' catalogue. One value
a flag describes one run; several describe a sweep.
"""

import argparse
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from data import DATASETS
from trainers.catalogue import MODELS, OPTIMIZERS
from trainers.config import RunConfig
from trainers.recipes import RECIPES, find_recipe
from trainers.runs import read_json
from trainers.sweep import (
    CHOICES,
    GRID,
    SECTION_OF,
    SECTIONS,
    SETTINGS,
    sweep,
)
from trainers.timm_catalogue import TIMM_PREFIX

PATHS = ("folder", "weights")
_SWITCHES = {"true": True, "false": False}


def add_config_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--config`: the saved configuration that the other flags change."""
    parser.add_argument("--config", metavar="FILE", help="a saved config.json")


def add_setting_flags(
    parser: argparse.ArgumentParser, nargs: str | None = None
) -> None:
    """Add a flag for every setting of a run.

    Args:
        parser: Of the command.
        nargs: "+" where a flag takes several values.
    """
    recipes = ", ".join(RECIPES)
    parser.add_argument(
        "--recipe",
        help=f"{recipes}: settings by batch size; the flags beside it win",
    )
    names = ", ".join(name for name, spec in DATASETS.items() if not spec.ood_only)
    models = f"{', '.join(MODELS)} or {TIMM_PREFIX}NAME"
    parser.add_argument("--dataset", nargs=nargs, help=names)
    parser.add_argument("--model", nargs=nargs, help=models)
    parser.add_argument("--optimizer", nargs=nargs, help=", ".join(OPTIMIZERS))
    for title, section in SECTIONS.items():
        group = parser.add_argument_group(title)
        for item in fields(section):
            if item.name != "name":
                _add_flag(group, item, nargs)
    group = parser.add_argument_group("hyper-parameters")
    for name, text in _hyperparameter_help().items():
        group.add_argument(flag(name), nargs=nargs, help=text, metavar="VALUE")


def _add_flag(group: Any, item: Field[Any], nargs: str | None) -> None:
    """Add the flag of a section's setting; that of a switch alone turns it on."""
    told = "" if item.default is MISSING else f"default {item.default}"
    more = {"metavar": "FILE"} if item.name == "weights" else {}
    if not isinstance(item.default, bool):
        group.add_argument(flag(item.name), nargs=nargs, help=told, **more)
    elif nargs is None:
        group.add_argument(flag(item.name), nargs="?", const="true", help=told)
    else:
        group.add_argument(flag(item.name), nargs="*", help=told)


def _hyperparameter_help() -> dict[str, str]:
    """One line a hyper-parameter, with each optimizer's default."""
    lines: dict[str, str] = {}
    defaults: dict[str, list[str]] = {}
    for spec in OPTIMIZERS.values():
        for item in spec.hyperparameters:
            lines.setdefault(item.name, item.help)
            defaults.setdefault(item.name, []).append(f"{spec.name} {item.default}")
    return {
        name: f"{text} Default: {', '.join(defaults[name])}.".replace("%", "%%")
        for name, text in lines.items()
    }


def flag(name: str) -> str:
    """The flag of a setting, `batch_size` -> `--batch-size`."""
    return "--" + name.replace("_", "-")


def given_settings(options: argparse.Namespace) -> dict[str, list[Any]]:
    """The settings that the flags give, by name in their order on `--help`.

    Args:
        options: What a parser with `add_setting_flags` returned.

    Returns:
        The values of each; numbers are numbers where the text is one.
    """
    given = {}
    for name in SETTINGS:
        texts = getattr(options, name)
        if texts is not None:
            texts = [texts] if isinstance(texts, str) else texts
            # A switch's flag without a value among those that take several.
            given[name] = [_parsed(name, text) for text in texts or ["true"]]
    return given


def config_from_options(options: argparse.Namespace) -> RunConfig:
    """The configuration that the flags describe, on top of `--config` if given.

    Args:
        options: What the parser of `run` returned.

    Returns:
        The checked configuration.

    Raises:
        ValueError: If a needed flag is missing or a value is not allowed.
    """
    (config,), _ = configs_from_options(options)
    return config


def configs_from_options(
    options: argparse.Namespace, mode: str = GRID
) -> tuple[list[RunConfig], list[str]]:
    """The configurations of a sweep that the flags describe.

    Args:
        options: What a parser with `add_config_flag` and `add_setting_flags` returned.
        mode: As in `trainers.sweep.sweep`.

    Returns:
        The checked configurations, and the names of the settings with several values.

    Raises:
        ValueError: If a needed flag is missing or a value is not allowed.
    """
    base = _base(options.config)
    given = given_settings(options)
    if options.recipe is not None and not {"optimizer"} & {*given, *base}:
        given["optimizer"] = [find_recipe(options.recipe).optimizer]
    for name in CHOICES:
        if name not in given and name not in base:
            raise ValueError(f"--{name} must be given, got nothing.")
    several = [name for name, values in given.items() if len(values) > 1]
    return sweep(base, given, mode, options.recipe), several


def _base(file: str | None) -> dict[str, Any]:
    """The content of a saved configuration, its paths as seen from here."""
    if file is None:
        return {}
    content: dict[str, Any] = read_json(Path(file))
    config = RunConfig.from_dict(content)
    if config.dataset.folder is not None:
        content["dataset"]["folder"] = str(Path(config.dataset.folder).absolute())
    if config.model.weights is not None:
        content["model"]["weights"] = str(Path(config.model.weights).absolute())
    return content


def _parsed(name: str, text: str) -> Any:
    """A flag's text as the type of its default; one that is none such stays."""
    if name in PATHS:
        return str(Path(text).absolute()) if text else text
    if name not in SECTION_OF:
        return text
    section = SECTIONS[SECTION_OF[name]]
    default = next(item.default for item in fields(section) if item.name == name)
    if isinstance(default, bool):
        return _SWITCHES.get(text.lower(), text)
    if not isinstance(default, int | float):
        return text
    try:
        return type(default)(text)
    except ValueError:
        return text
