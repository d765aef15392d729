"""Runs side by side: names that tell them apart, and which differ in the seed alone.

Torch-free, and light enough for the dashboard.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from trainers.catalogue import model_spec, optimizer_spec
from trainers.config import DatasetConfig, RunConfig
from trainers.runs import Run

Found = TypeVar("Found")


def model_names(runs: Sequence[Run], configs: Sequence[RunConfig]) -> list[str]:
    """Names that tell runs apart: by optimizer, or model, data and seed, or id.

    Args:
        runs: The runs.
        configs: Their configurations.

    Returns:
        The shortest names that all differ.
    """
    return told_apart(
        [optimizer_spec(config.optimizer.name).title for config in configs],
        [model_spec(config.model.name).title for config in configs],
        [data_name(config.dataset) for config in configs],
        [f"seed {config.training.seed}" for config in configs],
        [run.id for run in runs],
    )


def data_name(data: DatasetConfig) -> str:
    """What data are called: a person's own by their file or folder; foreign text."""
    return Path(data.folder).name.removesuffix(".npz") if data.folder else data.name


def told_apart(names: Sequence[str], *further: Sequence[str]) -> list[str]:
    """Add to names, one kind of words after the other, until all of them differ.

    Args:
        names: A name each.
        *further: More words for each, "" for none; a kind that is the same for all is
            left out.

    Returns:
        The names, which differ if the last kind of words does.
    """
    names = list(names)
    for parts in further:
        if len(set(names)) == len(names):
            break
        if len(set(parts)) > 1:
            pairs = zip(names, parts, strict=True)
            names = [", ".join(filter(None, pair)) for pair in pairs]
    return names


def families(configs: Sequence[RunConfig]) -> list[str]:
    """Name what runs have in common that differ in nothing but the seed.

    Args:
        configs: Configurations of the runs.

    Returns:
        The same name for runs of the same settings, another for others.
    """
    known: dict[str, str] = {}
    alike: Counter[str] = Counter()
    keys = [family_key(config) for config in configs]
    for key, config in zip(keys, configs, strict=True):
        if key in known:
            continue
        spec, model = optimizer_spec(config.optimizer.name), config.model.name
        name = f"{spec.title}, {model_spec(model).title}, {data_name(config.dataset)}"
        alike[name] += 1
        known[key] = f"{name}, settings {alike[name]}" if alike[name] > 1 else name
    return [known[key] for key in keys]


def one_a_seed(
    found: Sequence[Found],
    run_of: Callable[[Found], Run],
    seed_of: Callable[[Found], int],
) -> list[Found]:
    """Of runs of the same settings, one a seed: the newest that was evaluated.

    Twice the same seed is the same run twice: it tells nothing of the deviation.

    Args:
        found: Runs, or what is known of them.
        run_of: The run of each.
        seed_of: Its seed.

    Returns:
        Those that are kept, by seed.
    """
    ordered = sorted(
        found, key=lambda each: (run_of(each).evaluation.exists(), run_of(each).id)
    )
    newest = {seed_of(each): each for each in ordered}
    return [newest[seed] for seed in sorted(newest)]


def family_key(config: RunConfig) -> str:
    """What runs that differ in nothing but the seed share, and with no others."""
    # Not `to_dict`, which copies deeply: a page may ask this of a thousand runs.
    parts = {item.name: vars(getattr(config, item.name)) for item in fields(config)}
    training = {k: v for k, v in parts["training"].items() if k != "seed"}
    return json.dumps(parts | {"training": training}, sort_keys=True, default=dict)
