"""One action that makes many configurations: grids, lists, races between optimizers.

Settings go by the names of the command line's flags: `dataset`, `model`, `optimizer`,
every field of the configuration's sections and every hyper-parameter. Torch-free.
"""

import itertools
import json
import math
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from data import DATASETS
from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    SCHEMA,
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.recipes import Recipe, find_recipe, recipe_settings
from trainers.timm_catalogue import TIMM_PREFIX

GRID, LIST = "grid", "list"
MODES = (GRID, LIST)
MAX_CONFIGS = 1000
MAX_POINTS = 100_000  # of a grid, before those that turn out the same are removed

CHOICES = ("dataset", "model", "optimizer")
SECTIONS: dict[str, Any] = {
    "dataset": DatasetConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "evaluation": EvaluationConfig,
}
SECTION_OF = {
    item.name: title
    for title, section in SECTIONS.items()
    for item in fields(section)
    if item.name != "name"
}
# What is for one kind of a choice only: folders of images, and timm's networks.
_PARTIAL = {"folder": "dataset", "pretrained": "model", "weights": "model"}
HYPERPARAMETERS = tuple(
    dict.fromkeys(h.name for spec in OPTIMIZERS.values() for h in spec.hyperparameters)
)
SETTINGS = (*CHOICES, *SECTION_OF, *HYPERPARAMETERS)  # in their order on `--help`

Point = dict[str, Any]  # the settings that make one configuration, by flag name


def sweep(
    base: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    mode: str = GRID,
    recipe: str | None = None,
) -> list[RunConfig]:
    """Make the configurations of a sweep, all or none.

    A hyper-parameter goes to those optimizers of the sweep that have it. The base's
    own belong to the optimizer that the base names; another one starts from its
    defaults.

    Args:
        base: What all have in common: a configuration as `RunConfig.to_dict` writes
            it; what an axis gives may be left out, and so may the schema.
        axes: The values of each setting that varies, by flag name.
        mode: "grid" for every combination, the last axis fastest; "list" for the
            first values together, then the second ones, and so on; an axis of one
            value has it in each.
        recipe: Name of one whose settings go over the base's and under the axes', in
            those points that have its optimizer; None for none.

    Returns:
        At most `MAX_CONFIGS` different configurations in that order.

    Raises:
        ValueError: If an axis is unknown or does not fit the others, a point is not a
            valid configuration, or there are too many.
    """
    _check_axes(axes, mode)
    chosen = None if recipe is None else _checked_recipe(recipe, base, axes)
    points = _distinct(_fitting(point, axes) for point in _points(axes, mode))
    _check_count(len(points), MAX_CONFIGS)
    varying = [name for name, values in axes.items() if len(values) > 1]
    configs: dict[str, RunConfig] = {}
    for number, point in enumerate(points, start=1):
        try:
            config = _config(base, point, "optimizer" in axes)
            if chosen is not None and config.optimizer.name == chosen.optimizer:
                more = recipe_settings(chosen, config.dataset, config.training)
                config = _config(base, more | point, "optimizer" in axes)
        except ValueError as error:
            if len(points) == 1:
                raise
            place = f"point {number} of {len(points)} ({_words(point, varying)})"
            raise ValueError(f"{place}: {error}") from None
        configs.setdefault(json.dumps(config.to_dict()), config)
    return list(configs.values())


def setting(config: RunConfig, name: str) -> Any:
    """The value of a setting by flag name; None where the optimizer has none such."""
    if name in CHOICES:
        return getattr(config, name).name
    if name in SECTION_OF:
        return getattr(getattr(config, SECTION_OF[name]), name)
    return config.optimizer.hyperparameters.get(name)


def label(config: RunConfig, axes: Iterable[str]) -> str:
    """What tells a configuration from its siblings, such as "adamw, seed 1, lr 0.01".

    Args:
        config: One of a sweep.
        axes: Flag names of what varies in it, as `differing` returns them.

    Returns:
        Words for a table; "" where nothing varies.
    """
    return _words({name: setting(config, name) for name in axes}, axes)


def differing(configs: Sequence[RunConfig]) -> list[str]:
    """Flag names of the settings in which configurations differ.

    A hyper-parameter counts where it differs for one and the same optimizer.
    """
    names = [name for name in (*CHOICES, *SECTION_OF) if _differs(configs, name)]
    groups: dict[str, list[RunConfig]] = {}
    for config in configs:
        groups.setdefault(config.optimizer.name, []).append(config)
    return names + [
        name
        for name in HYPERPARAMETERS
        if any(_differs(group, name) for group in groups.values())
    ]


def new_group() -> str:
    """A short name for the runs of one sweep; a later one sorts behind it."""
    return f"s{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(1)}"


def _differs(configs: Iterable[RunConfig], name: str) -> bool:
    return len({repr(setting(config, name)) for config in configs}) > 1


def _check_axes(axes: Mapping[str, Sequence[Any]], mode: str) -> None:
    """Refuse axes that make no sweep, whatever its base; see `sweep`.

    Raises:
        ValueError: If one is unknown, they do not fit each other, or are too many.
    """
    if mode not in MODES:
        raise ValueError(f"sweep must be one of {', '.join(MODES)}, got {mode!r}.")
    for name, values in axes.items():
        if name not in SETTINGS:
            known = ", ".join(SETTINGS)
            raise ValueError(f"axis must be one of {known}, got {name!r}.")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ValueError(f"{name} must be a list of values, got {values!r}.")
    lengths = {name: len(values) for name, values in axes.items()}
    several = {name: length for name, length in lengths.items() if length > 1}
    if mode == LIST and len(set(several.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in several.items())
        raise ValueError(f"axes must have as many values each, got {told}.")
    if mode == GRID:
        _check_count(math.prod(lengths.values()), MAX_POINTS)
    _check_owners(axes)


def _check_owners(axes: Mapping[str, Sequence[Any]]) -> None:
    """Refuse a hyper-parameter that none of several optimizers has."""
    optimizers = _different(axes.get("optimizer", ()))
    for name in axes:
        takers = [optimizer for optimizer in optimizers if _takes(optimizer, name)]
        if len(optimizers) > 1 and not takers:
            raise ValueError(
                f"{name} must be a hyper-parameter of {' or '.join(optimizers)}, "
                "got one that none of them has."
            )


def _checked_recipe(
    name: str, base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]
) -> Recipe:
    """The recipe of a name; ValueError if it is for none of the sweep's optimizers."""
    chosen = find_recipe(name)
    own = _part(base, "optimizer").get("name")
    optimizers = _different(axes.get("optimizer", [own]))
    if chosen.optimizer not in optimizers:
        raise ValueError(
            f"optimizer must be {chosen.optimizer} for recipe {name!r}, "
            f"got {', '.join(optimizers)}."
        )
    return chosen


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise ValueError(
            f"a sweep must have at most {MAX_CONFIGS} configurations, got {count}."
        )


def _points(axes: Mapping[str, Sequence[Any]], mode: str) -> Iterator[Point]:
    rows: Iterable[tuple[Any, ...]]
    length = max(map(len, axes.values()), default=1)
    if mode == GRID or length == 1:
        rows = itertools.product(*axes.values())
    else:
        full = (v if len(v) > 1 else [*v] * length for v in axes.values())
        rows = zip(*full, strict=True)
    return (dict(zip(axes, row, strict=True)) for row in rows)


def _fitting(point: Point, axes: Mapping[str, Sequence[Any]]) -> Point:
    """A point without settings that are meant for other points of its sweep."""
    many = {name for name in CHOICES if len(_different(axes.get(name, ()))) > 1}
    return {
        name: value
        for name, value in point.items()
        if not ("optimizer" in many and not _takes(point["optimizer"], name))
        and not (_PARTIAL.get(name) in many and not _suits(point, name))
    }


def _different(values: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


def _takes(optimizer: Any, name: str) -> bool:
    """Whether a setting has a meaning for an optimizer; an unknown one may have it."""
    spec = OPTIMIZERS.get(str(optimizer))
    return name not in HYPERPARAMETERS or spec is None or name in spec.defaults()


def _suits(point: Point, name: str) -> bool:
    """Whether a setting of `_PARTIAL` has a meaning for what a point chooses."""
    chosen = point[_PARTIAL[name]]
    return _is_folder(chosen) if name == "folder" else _is_timm(chosen)


def _is_timm(model: Any) -> bool:
    return str(model).startswith(TIMM_PREFIX)


def _is_folder(dataset: Any) -> bool:
    """Whether a dataset is the user's own folder; an unknown one may be."""
    spec = DATASETS.get(str(dataset))
    return spec is None or spec.kind == "folder"


def _distinct(points: Iterable[Point]) -> list[Point]:
    return list({repr(point): point for point in points}.values())


def _config(base: Mapping[str, Any], point: Point, is_race: bool) -> RunConfig:
    """The configuration of one point.

    Args:
        base: What all points have in common.
        point: The settings of this one.
        is_race: Whether the base's hyper-parameters may be foreign to its optimizer.

    Returns:
        The checked configuration.
    """
    content: dict[str, Any] = {"schema": SCHEMA, **base}
    for name in CHOICES:
        if name in point:
            content[name] = _chosen(name, _part(base, name), point[name])
    values = _hyperparameters(content, is_race)
    for name, value in point.items():
        if name in SECTION_OF:
            section = SECTION_OF[name]
            content[section] = {**_part(content, section), name: value}
        elif name not in CHOICES:
            values[name] = value
    if "optimizer" in content or values:
        content["optimizer"] = {
            **_part(content, "optimizer"),
            "hyperparameters": values,
        }
    return RunConfig.from_dict(content)


def _chosen(kind: str, part: dict[str, Any], name: Any) -> dict[str, Any]:
    """The part of a configuration after a choice: what does not suit it is gone."""
    if kind == "optimizer" and part.get("name", name) != name:
        return {"name": name}
    if kind == "dataset" and not _is_folder(name):
        part.pop("folder", None)
    if kind == "model" and part.get("name", name) != name:
        part.pop("weights", None)  # another network's
        if not _is_timm(name):
            part.pop("pretrained", None)
    return {**part, "name": name}


def _hyperparameters(content: Mapping[str, Any], is_race: bool) -> dict[str, Any]:
    optimizer = _part(content, "optimizer")
    values = _part(optimizer, "hyperparameters")
    if is_race:
        return {k: v for k, v in values.items() if _takes(optimizer.get("name"), k)}
    return values


def _part(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A copy of a part of a configuration, {} where there is none.

    Raises:
        ValueError: If it is no object.
    """
    part = content.get(name, {})
    if not isinstance(part, Mapping):
        raise ValueError(f"{name} must be an object, got {part!r}.")
    return dict(part)


def _words(point: Mapping[str, Any], names: Iterable[str]) -> str:
    told = []
    for name in names:
        value = point.get(name)
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            title = "" if name in CHOICES else name.replace("_", " ") + " "
            told.append(title + text)
    return ", ".join(told)
